/* Examples of files that bring malware onto a machine: common forms only; use a maintained rule set beside them. */

rule Dropper_Office_AutoRun_Shell : dropper
{
    meta:
        description_en = "Office macro that runs by itself and starts a shell or a download"
        description_ja = "自動実行され、シェルやダウンロードを始める Office マクロ"
        version = "1"
    strings:
        $auto1 = "AutoOpen" nocase
        $auto2 = "Document_Open" nocase
        $auto3 = "Workbook_Open" nocase
        $do1 = "WScript.Shell" nocase
        $do2 = "URLDownloadToFile" nocase
        $do3 = "powershell" nocase
        $vba = "Attribute VB_Name" nocase
    condition:
        $vba and any of ($auto*) and any of ($do*)
}

rule Dropper_PowerShell_Encoded : dropper script
{
    meta:
        description_en = "PowerShell with an encoded command or a download that is run in memory"
        description_ja = "符号化された命令、または取得してそのまま実行する PowerShell"
        version = "1"
    strings:
        $enc = /powershell(\.exe)?[^\n\r]{0,120}\s-e(nc|ncodedcommand)?\s+[A-Za-z0-9+\/=]{80,}/ nocase
        $iex = /(IEX|Invoke-Expression)[^\n\r]{0,120}(DownloadString|Net\.WebClient)/ nocase
    condition:
        any of them
}

rule Dropper_Lnk_PowerShell : dropper
{
    meta:
        description_en = "Shortcut that starts PowerShell, mshta or cmd with a long command"
        description_ja = "PowerShell・mshta・cmd を長い命令で起動するショートカット"
        version = "1"
    strings:
        $a = "powershell" ascii wide nocase
        $b = "mshta" ascii wide nocase
        $c = "cmd.exe /c" ascii wide nocase
    condition:
        uint32(0) == 0x0000004C and uint32(4) == 0x00021401 and filesize < 1MB and any of them
}

rule Dropper_Emotet_Style_Zip_Docm : dropper jp
{
    meta:
        description_en = "Word document with macros inside an archive"
        description_ja = "書庫に入ったマクロ付き Word 文書"
        version = "1"
    strings:
        $docm = ".docm"
        $xlsm = ".xlsm"
    condition:
        uint32(0) == 0x04034B50 and any of them
}
