/* Words and forms around My Numbers. The digits themselves are judged by the scan, not by a rule. */

rule MyNumber_Words : my_number jp
{
    meta:
        description_en = "Words that stand beside a My Number (UTF-8, UTF-16, CP932)"
        description_ja = "個人番号の見出し語(UTF-8、UTF-16、CP932)"
        version = "1"
    strings:
        $utf8_1 = "個人番号"
        $utf8_2 = "マイナンバー"
        $utf16_1 = { 0B 50 BA 4E 6A 75 F7 53 }
        $utf16_2 = { DE 30 A4 30 CA 30 F3 30 D0 30 FC 30 }
        $cp932_1 = { 8C C2 90 6C 94 D4 8D 86 }
        $cp932_2 = { 83 7D 83 43 83 69 83 93 83 6F 81 5B }
    condition:
        any of them
}

rule MyNumber_Forms : my_number jp form
{
    meta:
        description_en = "Names of forms that carry My Numbers (UTF-8, CP932)"
        description_ja = "個人番号を記載する様式の名称(UTF-8、CP932)"
        version = "1"
    strings:
        $a = "扶養控除等"
        $b = "給与支払報告書"
        $c = "支払調書"
        $d = "源泉徴収票"
        $e = "資格取得届"
        $a_sjis = { 95 7D 97 7B 8D 54 8F 9C 93 99 }
        $b_sjis = { 8B 8B 97 5E 8E 78 95 A5 95 F1 8D 90 8F 91 }
        $c_sjis = { 8E 78 95 A5 92 B2 8F 91 }
        $d_sjis = { 8C B9 90 F2 92 A5 8E FB 95 5B }
        $e_sjis = { 8E 91 8A 69 8E E6 93 BE 93 CD }
    condition:
        any of them
}

rule MyNumber_ETax_Xml : my_number jp form
{
    meta:
        description_en = "XML of e-Tax with a field for a My Number"
        description_ja = "個人番号の欄をもつ e-Tax の XML"
        version = "1"
    strings:
        $xml = "<?xml"
        $ns = "http://xml.e-tax.nta.go.jp/XSD/"
        $field = /<[A-Za-z0-9:]{0,40}(kojinbango|KOJIN_BANGO|mynumber)/ nocase
    condition:
        $xml and ($ns or $field)
}
