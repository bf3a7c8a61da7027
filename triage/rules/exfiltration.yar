/* Traces of tools by which data leaves a machine: each a hint to look, no proof that anything was sent. */

rule Exfil_Rclone_Config : exfiltration
{
    meta:
        description_en = "Configuration of rclone: remotes with their types"
        description_ja = "rclone の設定(接続先と種類)"
        version = "1"
    strings:
        $section = /\n?\[[^\]\n]{1,60}\]\r?\ntype = (drive|s3|dropbox|onedrive|mega|sftp|ftp|webdav|box|b2|azureblob|pcloud)\r?\n/
    condition:
        $section
}

rule Exfil_Rclone_Binary : exfiltration tool
{
    meta:
        description_en = "The program rclone"
        description_ja = "プログラム rclone"
        version = "1"
    strings:
        $a = "github.com/rclone/rclone/cmd" ascii
        $b = "rclone.conf" ascii
    condition:
        all of them
}

rule Exfil_WinSCP_Session : exfiltration
{
    meta:
        description_en = "Stored sessions or log of WinSCP"
        description_ja = "WinSCP の保存済み接続または記録"
        version = "1"
    strings:
        $a = "[Sessions\\" ascii wide
        $b = "Software\\Martin Prikryl\\WinSCP" ascii wide
        $c = ". WinSCP Version " ascii
    condition:
        any of them
}

rule Exfil_FileZilla_Sites : exfiltration
{
    meta:
        description_en = "Sites or queue of FileZilla"
        description_ja = "FileZilla の接続先または転送待ち"
        version = "1"
    strings:
        $root = "<FileZilla3" ascii
        $server = "<Server>" ascii
        $host = "<Host>" ascii
    condition:
        $root and ($server or $host)
}

rule Exfil_MegaSync : exfiltration tool
{
    meta:
        description_en = "MEGAsync or MEGAcmd"
        description_ja = "MEGAsync または MEGAcmd"
        version = "1"
    strings:
        $a = "MEGAsync" ascii wide fullword
        $b = "g.api.mega.co.nz" ascii wide
    condition:
        all of them
}

rule Exfil_Archive_With_Password_Command : exfiltration script
{
    meta:
        description_en = "A command line that packs files under a password"
        description_ja = "パスワード付きで圧縮するコマンド"
        version = "1"
    strings:
        $rar = /\brar(\.exe)?\s+a\s[^\n\r]{0,200}\s-hp\S/ nocase
        $zip = /\b7z(a|\.exe|a\.exe)?\s+a\s[^\n\r]{0,200}\s-p\S/ nocase
    condition:
        any of them
}

rule Exfil_Upload_Script : exfiltration script
{
    meta:
        description_en = "A script that uploads files (curl, PowerShell, BITS)"
        description_ja = "ファイルを送信するスクリプト(curl、PowerShell、BITS)"
        version = "1"
    strings:
        $curl = /\bcurl(\.exe)?\s[^\n\r]{0,200}(-T|--upload-file|-F\s+['"]?\w+=@)\s?\S/ nocase
        $web = /Invoke-(WebRequest|RestMethod)[^\n\r]{0,300}-(InFile|Body)\s/ nocase
        $bits = /Start-BitsTransfer[^\n\r]{0,300}-TransferType\s+Upload/ nocase
    condition:
        any of them
}
