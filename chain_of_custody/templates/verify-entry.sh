#!/bin/sh
# verify-entry.sh - checks that one line stands under a signed checkpoint, without hozen and without the other lines.
# 1 つの項がチェックポイントに含まれることを、ほかの項なしで確かめます。
# Needs only sh, GNU coreutils, openssl and ssh-keygen. Exit code: 0 OK, 1 NG, 3 cannot tell.
set -u
LC_ALL=C
export LC_ALL
case $0 in */*) cd "${0%/*}" || exit 3 ;; esac
work=$(mktemp -d) || exit 3
trap 'rm -rf "$work"' EXIT

# RFC 6962: a leaf is SHA-256(0x00 line), an inner node SHA-256(0x01 left right).
printf '\000' >"$work/input"
cat line >>"$work/input"
openssl dgst -sha256 -binary "$work/input" >"$work/hash" || exit 3
while read -r side sibling; do
  printf '%s' "$sibling" | base64 -d >"$work/sibling" 2>/dev/null || exit 1
  printf '\001' >"$work/input"
  if [ "$side" = L ]; then
    cat "$work/sibling" "$work/hash" >>"$work/input"
  else
    cat "$work/hash" "$work/sibling" >>"$work/input"
  fi
  openssl dgst -sha256 -binary "$work/input" >"$work/hash" || exit 3
done <path

{ read -r origin && read -r size && read -r root; } <checkpoint.txt || exit 1
if [ "$(base64 -w 0 <"$work/hash")" != "$root" ]; then
  echo "NG: the line does not stand under this checkpoint / この項はチェックポイントに含まれません"
  exit 1
fi
signed=0
for signature in *.sig; do
  [ -f "$signature" ] || continue
  who=$(ssh-keygen -Y find-principals -f allowed_signers -s "$signature" 2>/dev/null) || who=
  if [ -n "$who" ] && ssh-keygen -Y verify -f allowed_signers -I "$who" -n custody-checkpoint -s "$signature" \
    <checkpoint.txt >/dev/null 2>&1; then
    echo "signed by / 署名: $who"
    signed=$((signed + 1))
  else
    echo "NG: the signature $signature does not fit / 署名が合いません: $signature"
    exit 1
  fi
done
echo "log / 台帳: $origin"
echo "entries / 項数: $size"
if [ "$signed" -eq 0 ]; then
  echo "cannot tell: the checkpoint is not signed / 署名がなく判定できません"
  exit 3
fi
echo "OK: the line stands under the checkpoint / この項はチェックポイントに含まれています"
