#!/bin/sh
# verify.sh - checks the ledger of this case without hozen.
# 台帳を hozen なしで検証します。
#
# Needs only: sh, openssl 3 or newer, GNU coreutils, ssh-keygen.
#   sh verify.sh                 everything that lies in this folder
#   sh verify.sh FINGERPRINT     and that line 1 has the fingerprint noted on paper
#   TSA_ROOT=root.pem sh verify.sh FINGERPRINT     and the time stamps, by an authority that you trust
# Exit code: 0 OK, 1 NG, 3 cannot tell.
#
# Checked: every line's number, hash of the line before it, session signature (Ed25519), actor and role; every
# session's authorisation by a person's SSH key for this very case; who was listed with which key from when to when,
# rotations and revocations, and that allowed_signers and revoked_keys say just that; what revoked keys did; the length
# and hash that `head` states and its signature; that nothing was cut off; that every checkpoint, signature and token that
# was recorded is there unaltered, the people's signatures over the checkpoints, and the checkpoints' RFC 6962 roots over
# the lines; the policies on witnesses and time stamps; dates that contradict a time stamp; attached files and details.
# What is not checked here is printed, line by line, if this case has any of it.

set -u
LC_ALL=C
export LC_ALL
unset IFS
# Times here are numbers of 64 bits, as POSIX has it where a long has them. A shell that has 32 (mksh) lets another read.
if [ "$((2147483647 + 1))" -ne 2147483648 ] 2>/dev/null || [ "$((2147483647 + 1))" -lt 0 ]; then
  for shell in dash bash ksh /bin/sh; do
    if [ "$(command "$shell" -c 'echo "$((2147483647 + 1))"' 2>/dev/null)" = 2147483648 ]; then exec "$shell" "$0" "$@"; fi
  done
  echo "cannot tell: this shell calculates with 32 bits; use dash, bash, ksh or busybox sh" \
    "/ 判定できません: このシェルの整数は 32 ビットです。dash、bash、ksh、busybox sh のいずれかを使ってください"
  exit 3
fi
case $0 in */*) cd "${0%/*}" || exit 3 ;; esac

for program in openssl ssh-keygen sha256sum base64 date mktemp wc rm cat cp mv head tail; do
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
skipped=0

ng() {
  bad=$((bad + 1))
  if [ "$bad" -le 50 ]; then echo "NG  $1"; fi
}
unknown() {
  unsure=$((unsure + 1))
  echo "??  $1"
}
not_judged() {
  # $1 in English, $2 in Japanese
  skipped=$((skipped + 1))
  echo "--  not judged here: $1 (custody verify does) / ここでは判定しません: $2(custody verify で判定)"
}
micros() {
  # microseconds since 1970 of the time $1 into $micro
  micro=$(date -u -d "$1" +%s%6N 2>/dev/null) || micro=
  case $micro in '' | *[!0-9]*) micro=99999999999999999 ;; esac
}
zulu() {
  # the second $1 since 1970, as OpenSSH writes times, into $z
  z=$(date -u -d "@$1" +%Y%m%d%H%M%SZ)
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
  derive >"$work/now"
  if ! printf '%s' "$auth" | ssh-keygen -Y verify -f "$work/now" -I "$actor" -n custody-session \
    -O verify-time="$(date -u -d "$time" +%Y%m%d%H%M%SZ 2>/dev/null)" -s "$work/armor" >/dev/null 2>&1; then
    ng "entry $number: the session is not authorised by the key of $actor / 第 $number 項: $actor の鍵による承認ではありません"
    return 1
  fi
  # The 32 bytes of an Ed25519 key become a public key file by 12 fixed bytes in front.
  printf '\060\052\060\005\006\003\053\145\160\003\041\000' >"$work/$session.der"
  printf '%s' "$key" | base64 -d >>"$work/$session.der" 2>/dev/null
  eval "actor_$session=\$actor role_$session=\$role closed_$session="
  micros "$not_after"
  [ "$micro" = 99999999999999999 ] && micro=0
  eval "until_$session=\$micro last_$session=0 opened_$session=\$count"
  mv "$work/armor" "$work/$session.armor"
  sessions="$sessions $session"
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
  micros "$time"
  now=$micro
  if [ "$now" -gt "$until" ]; then
    ng "entry $count: written after its session expired / 第 $count 項: 期限の切れた作業で書かれています"
  fi
  if ! check_signature "$payload" "$signature" "$session"; then
    ng "entry $count: the signature does not fit / 第 $count 項: 署名が内容と合いません"
  fi
  eval "last_$session=\$now"
  case $type in
    session.close) eval "closed_$session=1" ;;
    checkpoint | cosigned | stamp) keep_claim ;;
    key.*) change_keys ;;
    image.end | export.end | clone.end | transfer.accept) milestone=$count ;;
    approval.*) has_approvals=yes ;;
    merged) has_branches=yes ;;
    record.return) has_returns=yes ;;
  esac
  case $type in transfer.*) has_transfers=yes ;; esac
  keep_date
}

# --- who may sign when, as the ledger says -----------------------------------------------------------------------------
list_person() {
  # $1 id, $2 key, $3 role, $4 second since which it counts (empty: from the start)
  at_key=0
  while [ "$at_key" -lt "$keys" ]; do
    at_key=$((at_key + 1))
    eval "was_id=\$id_$at_key was_key=\$key_$at_key was_until=\$before_$at_key"
    if [ "$was_key" = "$2" ] || { [ "$was_id" = "$1" ] && [ -z "$was_until" ]; }; then
      ng "entry $count: id or key are listed already / 第 $count 項: ID か鍵が登録済みです"
      return
    fi
  done
  case "$1$3" in *[\ \"\\]*) ng "entry $count: malformed / 第 $count 項: 形が不正です" && return ;; esac
  keys=$((keys + 1))
  eval "id_$keys=\$1 key_$keys=\$2 role_$keys=\$3 after_$keys=\$4 before_$keys= revoked_$keys="
}
list_first_people() {
  rest=${payload#*\"people\":\[}
  [ "$rest" != "$payload" ] || return 0
  while :; do
    case $rest in *\"id\":\"*) ;; *) return 0 ;; esac
    rest=${rest#*\"id\":\"}
    one_id=${rest%%\"*}
    rest=${rest#*\"key\":\"}
    one_key=${rest%%\"*}
    rest=${rest#*\"role\":\"}
    list_person "$one_id" "$one_key" "${rest%%\"*}" ''
  done
}
derive() {
  # allowed_signers; with $1 = lenient, revoked keys as if they had not been
  at_key=0
  while [ "$at_key" -lt "$keys" ]; do
    at_key=$((at_key + 1))
    eval "d_id=\$id_$at_key d_key=\$key_$at_key d_after=\$after_$at_key d_before=\$before_$at_key"
    eval "d_revoked=\$revoked_$at_key"
    options='namespaces="custody-session,custody-checkpoint"'
    if [ -n "$d_after" ]; then zulu "$d_after" && options="$options,valid-after=\"$z\""; fi
    if [ -n "$d_before" ] && [ "${1-}$d_revoked" != lenientyes ]; then
      zulu "$((d_before + 1))" && options="$options,valid-before=\"$z\""
    fi
    printf '%s %s %s\n' "$d_id" "$options" "$d_key"
  done
}
current_key() {
  # the number of the key of $1 that counts now into $found (0: none)
  found=0
  at_key=0
  while [ "$at_key" -lt "$keys" ]; do
    at_key=$((at_key + 1))
    eval "was_id=\$id_$at_key was_until=\$before_$at_key"
    if [ "$was_id" = "$1" ] && [ -z "$was_until" ]; then found=$at_key; fi
  done
}
key_signature() {
  # $1 armor, $2 statement, $3 key: whether the key signed it for a change of keys
  printf '%b' "$1" >"$work/armor"
  printf 'x %s\n' "$3" >"$work/one"
  printf '%s' "$2" | ssh-keygen -Y verify -f "$work/one" -I x -n custody-key -s "$work/armor" >/dev/null 2>&1
}
change_keys() {
  derive >"$work/before"
  earlier="$earlier $(sha256sum <"$work/before")"
  earlier="$earlier $(printf '%s' "$revoked_list" | sha256sum)"
  body=${payload#*\"body\":\{}
  second=$((now / 1000000))
  rest=${body#*\"id\":\"}
  of_id=${rest%%\"*}
  case $type in
    key.add)
      rest=${rest#*\"key\":\"}
      of_key=${rest%%\"*}
      rest=${rest#*\"role\":\"}
      list_person "$of_id" "$of_key" "${rest%%\"*}" "$second"
      ;;
    key.rotate)
      rest=${rest#*\"new\":\"}
      new=${rest%%\"*}
      rest=${rest#*\"old\":\"}
      old=${rest%%\"*}
      rest=${rest#*\"sig_new\":\"}
      sig_new=${rest%%\"*}
      rest=${rest#*\"sig_old\":\"}
      sig_old=${rest%%\"*}
      current_key "$of_id"
      was_key=
      [ "$found" -eq 0 ] || eval "was_key=\$key_$found role_new=\$role_$found"
      statement="{\"case\":\"$fingerprint\",\"id\":\"$of_id\",\"new\":\"$new\",\"old\":\"$old\"}"
      if [ "$was_key" != "$old" ] || [ "$of_id" != "$actor" ] ||
        ! key_signature "$sig_old" "$statement" "$old" || ! key_signature "$sig_new" "$statement" "$new"; then
        ng "entry $count: the rotation of the key does not hold / 第 $count 項: 鍵の交換が成り立ちません"
        return
      fi
      eval "before_$found=\$second"
      list_person "$of_id" "$new" "$role_new" "$second"
      ;;
    key.revoke)
      rest=${rest#*\"key\":\"}
      of_key=${rest%%\"*}
      rest=${rest#*\"since\":\"}
      micros "${rest%%\"*}"
      revoke "$of_id" "$of_key" "$micro"
      ;;
  esac
}
revoke() {
  # $1 id, $2 key, $3 microseconds since which it is not trusted
  hit=0
  at_key=0
  while [ "$at_key" -lt "$keys" ]; do
    at_key=$((at_key + 1))
    eval "was_id=\$id_$at_key was_key=\$key_$at_key was_until=\$before_$at_key was_revoked=\$revoked_$at_key"
    if [ "$was_id" = "$1" ] && [ "$was_key" = "$2" ] && [ -z "$was_revoked" ]; then
      hit=$at_key
      since=$(($3 / 1000000))
      if [ -n "$was_until" ] && [ "$was_until" -lt "$since" ]; then since=$was_until; fi
      eval "before_$at_key=\$since revoked_$at_key=yes"
    fi
  done
  if [ "$hit" -eq 0 ] || [ "$1" = "$actor" ]; then
    ng "entry $count: the revocation does not hold / 第 $count 項: 鍵の失効が成り立ちません"
    return
  fi
  revoked_list="$revoked_list$2
"
  # Sessions that this key authorised end here; the key stands in their signature after 14 bytes.
  size=$(printf '%s' "${2#* }" | base64 -d 2>/dev/null | wc -c)
  for one in $sessions; do
    while read -r word; do
      case $word in -----*) ;; *) printf '%s' "$word" ;; esac
    done <"$work/$one.armor" | base64 -d >"$work/blob" 2>/dev/null
    [ "$(tail -c +15 "$work/blob" | head -c "$size" | base64 -w 0)" = "${2#* }" ] || continue
    eval "until=\$until_$one last=\$last_$one opened=\$opened_$one"
    if [ "$now" -lt "$until" ]; then eval "until_$one=\$now"; fi
    if [ "$last" -ge "$3" ]; then
      unknown "entry $opened: to be checked, by a key that entry $count revokes / 第 $opened 項: 要確認、第 $count 項で失効した鍵による作業"
    fi
  done
}

# --- dates, for the time stamps that contradict them -------------------------------------------------------------------
keep_date() {
  if [ "$type" = record.examiner_clock ]; then
    offset=${payload#*\"offset_ns\":\"}
    if [ "$offset" = "$payload" ]; then offset=0; else offset=${offset%%\"*}; fi
    case ${offset#-} in '' | *[!0-9]* | ????????????????????*) offset=0 ;; esac
    clock_offset=$((offset / 1000))
  fi
  dated=$((now - clock_offset))
  if [ "$dated" -gt "$latest" ]; then latest=$dated; fi
  if [ -e "checkpoints/$(printf %09d "$count").txt" ]; then eval "latest_$count=\$latest"; fi
  if [ "$stamps" -gt 0 ]; then
    eval "earliest=\$earliest_$stamps"
    if [ "$dated" -lt "$earliest" ]; then eval "earliest_$stamps=\$dated"; fi
  fi
  if [ "$type" = stamp ]; then
    stamps=$((stamps + 1))
    given=${payload#*\"gen_time\":\"}
    micros "${given%%\"*}"
    eval "earliest_$stamps=99999999999999999 gen_$stamps=\$micro stamp_seq_$stamps=\$count"
    of=${payload##*\"size\":\"}
    eval "stamp_of_$stamps=\${of%%\\\"*}"
  fi
}

keep_claim() {
  # what a checkpoint, cosigned or stamp entry says of a file, for later
  of=${payload##*\"size\":\"}
  of=${of%%\"*}
  # The one that stands right before size: material of a time stamp has hashes of its own.
  sum=${payload%,\"size\":\"*}
  sum=${sum##*\"sha256\":\"}
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
sessions= keys=0 revoked_list= earlier= policy= milestone=0 stamps=0 latest=0 clock_offset=0
has_approvals= has_branches= has_returns= has_transfers=
fingerprint=
case_wanted=
position=0
torn=0
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
  if [ "$count" -eq 1 ]; then
    payload=${line%%"$tab"*}
    list_first_people
    policy=${payload#*\"policy\":\{}
    if [ "$policy" = "$payload" ]; then policy=; else policy=",${policy%%\}*},"; fi
  fi
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

derive >"$work/signers"
derive lenient >"$work/lenient"

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
      at_time=$(date -u -d "$time" +%Y%m%d%H%M%SZ 2>/dev/null)
      if ssh-keygen -Y verify -f "$work/signers" -I "$who" -n custody-checkpoint \
        -O verify-time="$at_time" -s "$found" <"$text" >/dev/null 2>&1; then
        at_key=0
        while [ "$at_key" -lt "$keys" ]; do
          at_key=$((at_key + 1))
          eval "was_id=\$id_$at_key was_role=\$role_$at_key"
          if [ "$was_id" = "$who" ] && [ "$was_role" = 立会人 ]; then eval "witnessed_$of=yes"; fi
        done
      elif ssh-keygen -Y verify -f "$work/lenient" -I "$who" -n custody-checkpoint \
        -O verify-time="$at_time" -s "$found" <"$text" >/dev/null 2>&1; then
        unknown "entry $seq: to be checked, $who signed after the key was revoked / 第 $seq 項: 要確認、$who の署名は鍵の失効より後です"
      else
        ng "entry $seq: the signature of $who does not fit / 第 $seq 項: $who の署名が合いません"
      fi
      ;;
    stamp)
      eval "stamped_$of=yes"
      if [ -n "${TSA_ROOT-}" ]; then
        set -- -verify -data "$text" -in "$found" -CAfile "$TSA_ROOT"
        for chain in "${found%.tsr}".*.pem; do
          if [ -f "$chain" ]; then set -- "$@" -untrusted "$chain"; fi
        done
        if ! openssl ts "$@" >/dev/null 2>&1; then
          ng "entry $seq: the time stamp does not verify / 第 $seq 項: タイムスタンプを検証できません"
        fi
      fi
      ;;
  esac
done

# --- policies on witnesses and time stamps, and dates around tokens -----------------------------------------------------
newest_checkpoint=0
one=0
while [ "$one" -lt "$claims" ]; do
  one=$((one + 1))
  eval "type=\$claim_type_$one of=\$claim_size_$one"
  if [ "$type" = checkpoint ] && [ "$of" -gt "$newest_checkpoint" ]; then newest_checkpoint=$of; fi
done
for wanted in witness stamp; do
  case $policy in *,\"$wanted\":\"required\",*) ;; *) continue ;; esac
  if [ "$newest_checkpoint" -lt "$milestone" ]; then
    unknown "entry $milestone: no checkpoint covers it yet (policy $wanted=required) / 第 $milestone 項: 署名待ち(方針 $wanted=required)"
  fi
  one=0
  while [ "$one" -lt "$claims" ]; do
    one=$((one + 1))
    eval "type=\$claim_type_$one of=\$claim_size_$one seq=\$claim_seq_$one"
    [ "$type" = checkpoint ] || continue
    case $wanted in
      witness) eval "there=\${witnessed_$of-}" ;;
      stamp) eval "there=\${stamped_$of-}" ;;
    esac
    if [ -n "$there" ]; then
      continue
    elif [ "$of" -eq "$newest_checkpoint" ]; then
      unknown "entry $seq: waiting for what the policy $wanted=required asks / 第 $seq 項: 署名待ち(方針 $wanted=required)"
    else
      ng "entry $seq: lacks what the policy $wanted=required asks / 第 $seq 項: 方針 $wanted=required に反しています"
    fi
  done
done
one=0
while [ "$one" -lt "$stamps" ]; do
  one=$((one + 1))
  eval "of=\$stamp_of_$one gen=\$gen_$one seq=\$stamp_seq_$one"
  case $of in '' | *[!0-9]*) continue ;; esac
  eval "latest=\${latest_$of-0}"
  if [ "$latest" -gt $((gen + 60000000)) ]; then
    ng "entry $seq: an entry that this time stamp covers claims a later time / 第 $seq 項: 含まれる項が、より後の時刻を名乗っています"
  fi
  later=$one
  while [ "$later" -le "$stamps" ]; do
    eval "earliest=\$earliest_$later"
    if [ "$earliest" -lt $((gen - 60000000)) ]; then
      ng "entry $seq: an entry after this time stamp claims an earlier time / 第 $seq 項: 後の項が、より前の時刻を名乗っています"
      break
    fi
    later=$((later + 1))
  done
done

# --- files that are named by their hash --------------------------------------------------------------------------------
for file in details/*.json attachments/* recovered/*; do
  [ -f "$file" ] || continue
  has=$(sha256sum <"$file")
  name=${file##*/}
  if [ "${name%.json}" != "${has%% *}" ]; then
    ng "$file was altered / $file が書き換えられています"
  fi
done

# --- the lists of keys must be those of the ledger ---------------------------------------------------------------------
printf '%s' "$revoked_list" >"$work/revoked"
for file in allowed_signers revoked_keys; do
  case $file in
    allowed_signers) wanted=$(sha256sum <"$work/signers") ;;
    *) wanted=$(sha256sum <"$work/revoked") ;;
  esac
  if ! [ -f "$file" ]; then
    ng "$file is missing / $file がありません"
    continue
  fi
  has=$(sha256sum <"$file")
  if [ "$has" != "$wanted" ]; then
    case " $earlier " in
      *" $has "*) unknown "$file is older than the newest key entry (a crash) / $file が最新の鍵の記録より古い状態です(異常終了の跡)" ;;
      *) ng "$file is not what the ledger says of people and keys / $file が台帳から作られるものと一致しません" ;;
    esac
  fi
done

if [ -n "$wanted_fingerprint" ] && [ "$wanted_fingerprint" != "$fingerprint" ]; then
  ng "the fingerprint is not the one given / 指紋が指定されたものと違います"
fi

# --- what needs more than these programs -------------------------------------------------------------------------------
not_judged "the one canonical form of the JSON, rights of roles, jumps of the clock, begin without end" \
  "JSON の正準形、役割の権限、時計の飛び、終了のない開始"
not_judged "whether details or attached files were removed, and images" "詳細・添付の墨消しや欠落、イメージの再ハッシュ"
case $policy in *,\"copies\":*)
  not_judged "policy copies: whether there are enough verified copies" "方針 copies: 検証済みの複製の数"
  ;;
esac
case $policy in *,\"approve\":*) has_approvals=yes ;; esac
if [ -n "$has_approvals" ]; then
  not_judged "approvals by another person (policy approve)" "別の人の承認(方針 approve)"
fi
if [ "$stamps" -gt 0 ]; then
  if [ -z "${TSA_ROOT-}" ]; then
    not_judged "the authorities behind time stamps; give TSA_ROOT=root.pem" "タイムスタンプの認証局。TSA_ROOT=root.pem を指定してください"
  fi
  not_judged "revocation of certificates of time-stamping authorities, policy tsa" "TSA 証明書の失効、方針 tsa"
fi
if [ -n "$has_transfers" ]; then
  not_judged "transfers: who answered, and whether the hashes are those offered" "受渡しの応答者とハッシュの一致"
fi
if [ -n "$has_returns" ]; then
  not_judged "the owner's receipts" "所有者の受領書"
fi
if [ -n "$has_branches" ]; then
  not_judged "the branches kept of diverged copies" "分岐した写し"
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
echo "verdict: OK, but for the $skipped points above that are not judged here / 検証結果: OK(上の $skipped 点はここでは判定していません)"
if [ -z "$wanted_fingerprint" ]; then
  echo "Compare the fingerprint with the one on paper: only that shows that the whole ledger was not replaced."
  echo "紙に控えた指紋と比べてください。台帳全体が差し替えられていないことは、それで初めて分かります。"
fi
exit 0
