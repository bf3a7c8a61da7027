#!/bin/sh
# verify.sh - checks the ledger of this case without hozen.
# 台帳を hozen なしで検証します。
#
# Needs only: sh, openssl 3 or newer, GNU coreutils, ssh-keygen.
#   sh verify.sh                 everything that lies in this folder
#   sh verify.sh FINGERPRINT     and that line 1 has the fingerprint noted on paper
# Exit code: 0 OK, 1 NG, 3 cannot tell.
#
# Checked: every line's number, hash of the line before it, session signature (Ed25519), actor and role; every
# session's authorisation by a person's SSH key for this very case; the files allowed_signers and revoked_keys against
# the ledger; the length and hash that `head` states and its signature; that nothing was cut off; that every
# checkpoint, signature and token that was recorded is there unaltered, the people's signatures over the checkpoints,
# and the checkpoints' RFC 6962 roots over the lines.
# Not checked here (hozen does): the canonical form of the JSON, rights of roles, clocks, removed details, the
# authorities behind time stamps (openssl ts -verify -data 000000123.txt -in 000000123.….tsr -CAfile root.pem).

set -u
LC_ALL=C
export LC_ALL
unset IFS
case $0 in */*) cd "${0%/*}" || exit 3 ;; esac

for program in openssl ssh-keygen sha256sum base64 date mktemp wc rm cat cp mv; do
  if ! command -v "$program" >/dev/null 2>&1; then
    echo "cannot tell: $program is not installed / 判定できません: $program がありません"
    exit 3
  fi
done

work=$(mktemp -d) || exit 3
trap 'rm -rf "$work"' EXIT
trap 'exit 3' HUP INT TERM

wanted_fingerprint=${1-}
tab=$(printf '\t')
bad=0
unsure=0
count=0

ng() {
  bad=$((bad + 1))
  if [ "$bad" -le 50 ]; then echo "NG  $1"; fi
}
unknown() {
  unsure=$((unsure + 1))
  echo "??  $1"
}
hash_of() {
  # SHA-256 of $1 (no newline) into $hash
  hash=$(printf '%s' "$1" | sha256sum)
  hash=${hash%% *}
}
check_signature() {
  # $1 text, $2 base64 signature, $3 session: true if the session's key signed the text
  printf '%s' "$1" >"$work/text"
  printf '%s' "$2" | base64 -d >"$work/sig" 2>/dev/null || return 1
  [ "$(base64 -w 0 <"$work/sig")" = "$2" ] || return 1
  openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/$3.der" -rawin -in "$work/text" \
    -sigfile "$work/sig" >/dev/null 2>&1
}
is_hex() {
  # $1 value, $2 length
  [ "${#1}" -eq "$2" ] || return 1
  case $1 in *[!0-9a-f]*) return 1 ;; esac
  return 0
}

open_session() {
  # authorises $session from $payload; needs $actor $role $number $time
  auth=${payload#*\"body\":\{\"auth\":\{}
  if [ "$auth" = "$payload" ]; then
    ng "entry $number: no authorisation / 第 $number 項: 承認がありません"
    return 1
  fi
  auth="{${auth%%\}*}}"
  case $auth in
    "{\"actor\":\"$actor\",\"case\":\"$case_wanted\",\"key\":\""*"\",\"not_after\":\""*"\",\"role\":\"$role\",\"session\":\"$session\"}") ;;
    *)
      ng "entry $number: authorised for another case, person or session / 第 $number 項: 別の事案・人・作業への承認です"
      return 1
      ;;
  esac
  key=${auth#*\",\"key\":\"}
  key=${key%%\"*}
  not_after=${auth#*\",\"not_after\":\"}
  not_after=${not_after%%\"*}
  armor=${payload##*,\"sig\":\"}
  armor=${armor%%\"*}
  printf '%b' "$armor" >"$work/armor"
  if ! printf '%s' "$auth" | ssh-keygen -Y verify -f allowed_signers -I "$actor" -n custody-session \
    -O verify-time="$(date -u -d "$time" +%Y%m%d%H%M%SZ 2>/dev/null)" -s "$work/armor" >/dev/null 2>&1; then
    ng "entry $number: the session is not authorised by the key of $actor / 第 $number 項: $actor の鍵による承認ではありません"
    return 1
  fi
  # The 32 bytes of an Ed25519 key become a public key file by 12 fixed bytes in front.
  printf '\060\052\060\005\006\003\053\145\160\003\041\000' >"$work/$session.der"
  printf '%s' "$key" | base64 -d >>"$work/$session.der" 2>/dev/null
  eval "actor_$session=\$actor role_$session=\$role closed_$session="
  eval "until_$session=$(date -u -d "$not_after" +%s 2>/dev/null || echo 0)"
  return 0
}

check_line() {
  payload=${line%%"$tab"*}
  signature=${line#*"$tab"}
  if [ "$payload" = "$line" ]; then
    ng "line $count: no signature / $count 行目: 署名がありません"
    return
  fi
  # Members are sorted, so these are the last members of their name in the line.
  number=${payload##*,\"seq\":}
  number=${number%%,*}
  stated=${payload##*,\"prev\":\"}
  stated=${stated%%\"*}
  session=${payload##*,\"session\":\"}
  session=${session%%\"*}
  role=${payload##*,\"role\":\"}
  role=${role%%\"*}
  type=${payload##*,\"type\":\"}
  type=${type%%\"*}
  time=${payload##*,\"ts\":\"}
  time=${time%%\"*}
  actor=${payload#\{\"actor\":\"}
  actor=${actor%%\"*}
  if [ "$number" != "$count" ]; then
    ng "line $count: carries number $number / $count 行目: 項番号が $number です"
  fi
  if [ "$stated" != "$previous" ]; then
    ng "entry $count: the line before it was edited, removed or swapped / 第 $count 項: 前の行が書換え・削除・入替え"
  fi
  if ! is_hex "$session" 32; then
    ng "entry $count: malformed / 第 $count 項: 形が不正です"
    return
  fi
  number=$count
  case $type in
    case.open | session.open)
      if [ -e "$work/$session.der" ]; then
        ng "entry $count: session opened twice / 第 $count 項: 同じ作業が 2 度始まっています"
      elif [ "$type" = case.open ] && [ "$count" -ne 1 ]; then
        ng "entry $count: a second case.open / 第 $count 項: case.open が 2 度あります"
      else
        open_session || return
      fi
      ;;
  esac
  if [ ! -e "$work/$session.der" ]; then
    ng "entry $count: belongs to no authorised session / 第 $count 項: 承認された作業のものではありません"
    return
  fi
  eval "known_actor=\$actor_$session known_role=\$role_$session until=\$until_$session closed=\$closed_$session"
  if [ "$actor" != "$known_actor" ] || [ "$role" != "$known_role" ]; then
    ng "entry $count: actor or role differ from the session's / 第 $count 項: 作業者か役割が一致しません"
  fi
  if [ -n "$closed" ]; then
    ng "entry $count: its session was closed before / 第 $count 項: 終えた作業で書かれています"
  fi
  seconds=$(date -u -d "$time" +%s 2>/dev/null || echo 99999999999)
  if [ "$seconds" -gt "$until" ]; then
    ng "entry $count: written after its session expired / 第 $count 項: 期限の切れた作業で書かれています"
  fi
  if ! check_signature "$payload" "$signature" "$session"; then
    ng "entry $count: the signature does not fit / 第 $count 項: 署名が内容と合いません"
  fi
  if [ "$type" = session.close ]; then eval "closed_$session=1"; fi
  case $type in checkpoint | cosigned | stamp) keep_claim ;; esac
}

keep_claim() {
  # what a checkpoint, cosigned or stamp entry says of a file, for later
  of=${payload##*\"size\":\"}
  of=${of%%\"*}
  sum=${payload#*\"sha256\":\"}
  sum=${sum%%\"*}
  case $of in '' | *[!0-9]* | ??????????*)
    ng "entry $count: malformed / 第 $count 項: 形が不正です"
    return
    ;;
  esac
  claims=$((claims + 1))
  who=${payload##*\"who\":\"}
  who=${who%%\"*}
  root=${payload#*\"root\":\"}
  root=${root%%\"*}
  eval "claim_type_$claims=\$type claim_size_$claims=\$of claim_sum_$claims=\$sum claim_who_$claims=\$who"
  eval "claim_seq_$claims=\$count claim_root_$claims=\$root claim_time_$claims=\$time"
}

# --- RFC 6962: peaks of the tree, one file for each, from left to right -------------------------------------------------
node() {
  # SHA-256(0x01 $1 $2) into $1
  printf '\001' >"$work/input"
  cat "$1" "$2" >>"$work/input"
  openssl dgst -sha256 -binary "$work/input" >"$1"
}
add_leaf() {
  printf '\000%s' "$line" | openssl dgst -sha256 -binary >"$work/new"
  height=0
  while [ "$peaks" -gt 0 ]; do
    eval "top=\$height_$peaks"
    [ "$top" -eq "$height" ] || break
    node "$work/peak.$peaks" "$work/new"
    mv "$work/peak.$peaks" "$work/new"
    peaks=$((peaks - 1))
    height=$((height + 1))
  done
  peaks=$((peaks + 1))
  mv "$work/new" "$work/peak.$peaks"
  eval "height_$peaks=\$height"
}
root_now() {
  # base64 of the root over the lines so far into $computed
  cp "$work/peak.$peaks" "$work/fold"
  at_peak=$peaks
  while [ "$at_peak" -gt 1 ]; do
    at_peak=$((at_peak - 1))
    cp "$work/peak.$at_peak" "$work/left"
    node "$work/left" "$work/fold"
    mv "$work/left" "$work/fold"
  done
  computed=$(base64 -w 0 <"$work/fold")
}

if [ ! -f ledger.jsonl ]; then
  echo "no ledger.jsonl here / ここに ledger.jsonl がありません"
  exit 3
fi

# --- head, read before the ledger so that a writer at work is not mistaken for damage ---------------------------------
slots=0
newest=0
if [ -f head ]; then
  while read -r magic size digest session signature rest; do
    is_hex "$digest" 64 && is_hex "$session" 32 && [ "$magic" = custody-head/1 ] && [ -z "$rest" ] || continue
    case $size in *[!0-9]* | '') continue ;; esac
    [ "${#size}" -eq 20 ] || continue
    text="custody-head/1 $size $digest $session"
    while [ "${#size}" -gt 1 ] && [ "${size#0}" != "$size" ]; do size=${size#0}; done
    slots=$((slots + 1))
    eval "head_text_$slots=\$text head_size_$slots=\$size head_hash_$slots=\$digest"
    eval "head_session_$slots=\$session head_signature_$slots=\$signature"
    if [ "$size" -gt "$newest" ]; then newest=$size; fi
  done <head
  if [ "$(wc -c <head)" -ne 446 ]; then slots=0; fi
fi

# --- every line -------------------------------------------------------------------------------------------------------
previous=0000000000000000000000000000000000000000000000000000000000000000
fingerprint=
case_wanted=
position=0
torn=0
people=0
type=
claims=0
peaks=0
with_tree=no
for file in checkpoints/*.txt; do
  [ -e "$file" ] && with_tree=yes
done
while :; do
  if IFS= read -r line; then :; else
    torn=${#line}
    break
  fi
  count=$((count + 1))
  check_line
  hash_of "$line"
  previous=$hash
  position=$((position + ${#line} + 1))
  if [ "$count" -eq 1 ]; then
    fingerprint=$hash
    case_wanted=$hash
  fi
  if [ "$with_tree" = yes ]; then
    add_leaf
    if [ -e "checkpoints/$(printf %09d "$count").txt" ]; then
      root_now
      eval "root_$count=\$computed"
    fi
  fi
  case $type in
    case.open | key.add | key.rotate)
      people=$((people + 1))
      eval "people_$people=\$payload"
      ;;
  esac
  slot=0
  while [ "$slot" -lt "$slots" ]; do
    slot=$((slot + 1))
    eval "at=\$head_size_$slot"
    if [ "$at" -eq "$position" ]; then eval "seen_$slot=\$hash seen_session_$slot=\$session"; fi
  done
done <ledger.jsonl

length=$(wc -c <ledger.jsonl)
if [ "$((position + torn))" -ne "$length" ]; then
  ng "the ledger holds zero bytes / 台帳にゼロバイトが含まれています"
fi

# --- what head says of the end ----------------------------------------------------------------------------------------
if [ "$slots" -eq 0 ]; then
  ng "head is missing or damaged / head がないか壊れています"
elif [ "$slots" -eq 1 ]; then
  unknown "one line of head is damaged / head の 1 行が壊れています"
fi
slot=0
while [ "$slot" -lt "$slots" ]; do
  slot=$((slot + 1))
  seen= seen_session=
  eval "at=\$head_size_$slot digest=\$head_hash_$slot session=\$head_session_$slot text=\$head_text_$slot"
  eval "signature=\$head_signature_$slot seen=\${seen_$slot-} seen_session=\${seen_session_$slot-}"
  if [ "$length" -lt "$at" ]; then
    ng "the end of the ledger is cut off (head: $at bytes, here: $length) / 台帳の末尾が切り取られています"
  elif [ "$seen" != "$digest" ] || [ "$seen_session" != "$session" ]; then
    ng "the ledger differs from its head / 台帳が head と一致しません"
  elif ! [ -e "$work/$session.der" ] || ! check_signature "$text" "$signature" "$session"; then
    ng "the signature of head is invalid / head の署名が不正です"
  fi
done
if [ "$torn" -gt 0 ]; then
  unknown "the last $torn bytes are no whole line (a crash; the next entry recovers it) / 末尾 $torn バイトが行として完結していません"
elif [ "$slots" -gt 0 ] && [ "$length" -gt "$newest" ]; then
  unknown "the ledger is longer than head says (a crash; the next entry recovers it) / 台帳が head より長い(異常終了の跡)"
fi

# --- checkpoints, their signatures and tokens --------------------------------------------------------------------------
one=0
while [ "$one" -lt "$claims" ]; do
  one=$((one + 1))
  eval "type=\$claim_type_$one of=\$claim_size_$one sum=\$claim_sum_$one who=\$claim_who_$one seq=\$claim_seq_$one"
  eval "root=\$claim_root_$one time=\$claim_time_$one"
  text=checkpoints/$(printf %09d "$of").txt
  found=
  case $type in
    checkpoint) set -- "$text" ;;
    cosigned) set -- "${text%.txt}".*.sig ;;
    stamp) set -- "${text%.txt}".*.tsr ;;
  esac
  for file in "$@"; do
    [ -f "$file" ] || continue
    has=$(sha256sum <"$file")
    if [ "${has%% *}" = "$sum" ]; then found=$file; fi
  done
  if [ -z "$found" ]; then
    ng "entry $seq: what it records is gone or altered / 第 $seq 項: 記録されたファイルがないか、書き換えられています"
    continue
  fi
  case $type in
    checkpoint)
      computed=
      eval "computed=\${root_$of-}"
      if [ "$computed" != "$root" ] || ! { read -r origin && read -r lines && read -r stated; } <"$text" ||
        [ "$lines" != "$of" ] || [ "$stated" != "$root" ]; then
        ng "entry $seq: the first $of lines are not those of the checkpoint / 第 $seq 項: チェックポイントと一致しません"
      fi
      ;;
    cosigned)
      if ! ssh-keygen -Y verify -f allowed_signers -I "$who" -n custody-checkpoint \
        -O verify-time="$(date -u -d "$time" +%Y%m%d%H%M%SZ 2>/dev/null)" -s "$found" <"$text" >/dev/null 2>&1; then
        ng "entry $seq: the signature of $who does not fit / 第 $seq 項: $who の署名が合いません"
      fi
      ;;
  esac
done

# --- the keys that were used must be those that the ledger lists -------------------------------------------------------
if [ -f allowed_signers ] && [ -f revoked_keys ]; then
  while read -r who options kind key rest; do
    [ -n "$who" ] || continue
    known=
    one=0
    while [ "$one" -lt "$people" ]; do
      one=$((one + 1))
      eval "payload=\$people_$one"
      case $payload in *"\"id\":\"$who\""*"\"$kind $key\""*) known=yes ;; esac
    done
    if [ -z "$known" ]; then
      ng "allowed_signers names a key that the ledger does not: $who / allowed_signers に台帳にない鍵があります"
    fi
  done <allowed_signers
else
  ng "allowed_signers or revoked_keys is missing / allowed_signers か revoked_keys がありません"
fi

if [ -n "$wanted_fingerprint" ] && [ "$wanted_fingerprint" != "$fingerprint" ]; then
  ng "the fingerprint is not the one given / 指紋が指定されたものと違います"
fi

echo "entries / 項数:        $count"
echo "fingerprint / 指紋:    $fingerprint"
if [ "$bad" -gt 0 ]; then
  echo "verdict: NG ($bad) / 検証結果: NG($bad 件)"
  exit 1
elif [ "$unsure" -gt 0 ] || [ "$count" -eq 0 ]; then
  echo "verdict: cannot tell / 検証結果: 判定できません"
  exit 3
fi
echo "verdict: OK / 検証結果: OK"
if [ -z "$wanted_fingerprint" ]; then
  echo "Compare the fingerprint with the one on paper: only that shows that the whole ledger was not replaced."
  echo "紙に控えた指紋と比べてください。台帳全体が差し替えられていないことは、それで初めて分かります。"
fi
exit 0
