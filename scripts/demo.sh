#!/usr/bin/env bash
# The whole job once: card → vault → plan → redacted copy → check → approval → release → verified.
# Usage: demo.sh [CLIP]. Everything it makes is in ./demo-out, which is removed first.
set -euo pipefail
cd "$(dirname "$0")/.."
here="$PWD"
out="$here/demo-out"
clip="${1:-}"
started=$SECONDS

fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

command -v bwc >/dev/null || fail "no bwc on the PATH; run it as: make demo"
python="$(dirname "$(command -v bwc)")/python"
[ -x "$python" ] || python=python3
if [ -n "$clip" ]; then
    [ -f "$clip" ] || fail "no such clip: $clip"
    clip="$(realpath -- "$clip")"
    case "$clip" in "$out"/*) fail "the clip lies in demo-out, which is removed first: move it elsewhere" ;; esac
fi
# Only a folder that an earlier demo made is removed, never a link and never anything else of that name.
if [ -L "$out" ] || { [ -e "$out" ] && [ ! -f "$out/.bwc-demo" ]; }; then
    fail "$out exists and was not made by this demo: move it away"
fi
rm -rf -- "$out"
mkdir -m 700 -- "$out"
touch "$out/.bwc-demo"
cd "$out"

# A home, keys and passphrase of its own: no vault, key or agent of the person who runs the demo is used.
export BWC_HOME="$out/home" BWC_VAULT="$out/vault" BWC_OPERATOR=demo BWC_PASSPHRASE_FILE="$out/passphrase"
(umask 077 && "$python" -c 'import secrets; print(secrets.token_urlsafe(24))' > passphrase)

show() { # print a command as one would type it
    local word line='$'
    for word in "$@"; do
        case "$word" in
            '' | *[!A-Za-z0-9_./:,=@%+-]*) line+=" '${word//\'/\'\\\'\'}'" ;;
            *) line+=" $word" ;;
        esac
    done
    printf '\n%s\n' "$line"
}

run() { # run a command; exit 3 (partly done, listed) is said and goes on, every other failure ends the demo
    show "$@"
    local code=0
    "$@" || code=$?
    case $code in
        0) ;;
        3) printf 'demo: exit 3: something could not be read; what is missing is listed above\n' ;;
        *) printf '\ndemo: stopped: exit %d from: bwc %s\ndemo: everything so far is in %s\n' "$code" "$2" "$out" >&2; exit "$code" ;;
    esac
}

field() { "$python" -c 'import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1:]:
    value = value[int(key)] if key.isdigit() else value[key]
print(value)' "$@"; }

if [ -n "$clip" ]; then
    mkdir -p card/DCIM
    cp -- "$clip" card/DCIM/
else
    cp -R -- "$here/fixtures/card" card
fi

printf 'demo: the whole job, in %s\n' "$out"
printf 'demo: to go on by hand afterwards:\n  export BWC_HOME=%q BWC_VAULT=%q BWC_OPERATOR=demo BWC_PASSPHRASE_FILE=%q\n' \
    "$BWC_HOME" "$BWC_VAULT" "$BWC_PASSPHRASE_FILE"

run bwc init vault --agency "Example Police Department" --operator demo --recovery-file recovery.txt
run bwc ingest card --officer B1234 --camera X81234 --case 26-1182 --category traffic --receipt receipt.txt
run bwc list
item="$(bwc list --json | field items 0 item)"
run bwc detect "$item" --sheet contact-sheet.jpg
run bwc plan "$item"
run bwc decide "$item" --undecided redact --exemption privacy --note "demo: everything found is hidden"
if [ -z "$clip" ]; then
    printf '\ndemo: plates can be missed; what a person finds on the sheet they cover by hand, for example a while of the parked car\n'
    run bwc mask "$item" --box 895,495,155,102 --from 2.2 --to 4.7 --exemption privacy --note "plate of the parked car"
fi

# The check may doubt a spot. A person would look at it; the demo hides it, renders again and checks again.
for round in 1 2 3; do
    run bwc redact "$item"
    show bwc check "$item" --report "check-$round.json" --sheet "copy-sheet-$round.jpg"
    code=0
    bwc check "$item" --report "check-$round.json" --sheet "copy-sheet-$round.jpg" || code=$?
    [ "$code" -eq 6 ] || break
    mapfile -t suspects < <("$python" -c 'import json, sys
print("\n".join(one["id"] for one in json.load(open(sys.argv[1]))["suspects"]))' "check-$round.json")
    if [ "$round" -eq 3 ] || [ -z "${suspects[*]:-}" ]; then break; fi
    printf 'demo: the check has suspects; the demo hides them all\n'
    run bwc decide "$item" "${suspects[@]}" redact --exemption privacy --note "demo: found by the check"
done
if [ "$code" -ne 0 ]; then
    printf '\ndemo: stopped: exit %d from: bwc check\ndemo: everything so far is in %s\n' "$code" "$out" >&2
    exit "$code"
fi

run bwc approve "$item" --note "demo"
run bwc release "$item" --request R-311 -o release --requester "A. Requester"
run bwc log "$item"
run bwc verify
run bwc verify release

cat <<EOF

demo: done in $((SECONDS - started)) s. Where to look:
  the redacted copy     $(find "$out/release" -name '*.mp4' | head -1)
  what was released     $out/release/  (README, redaction log, verify.html: open it in a browser)
  receipt for the card  $out/receipt.txt
  what was found        $out/contact-sheet.jpg  (in the clear: it never leaves the agency)
  the same, redacted    $(ls -t "$out"/copy-sheet-*.jpg | head -1)
  the vault             $out/vault/  (sealed; no picture in it can be seen without a key)
EOF
