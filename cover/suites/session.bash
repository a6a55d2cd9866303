# What a shell does all day, with results that are the same every time. Run by `run`.
set -m
shopt -s lastpipe extglob

echo "pipelines"
seq 1 50000 | sort -rn | awk '{ sum += $1 } END { print NR, sum }'
yes | head -100000 | wc -l
printf '%s\n' c b a | sort | tr a-z A-Z | paste -sd, -
echo "${PIPESTATUS[@]}"
false | true
echo "status $?"

echo "redirections"
exec 3>out 4<&0 5>&1
echo one >&3
(echo two >&3; exec 3>&-; echo three 2>/dev/null >&3) 2>/dev/null
echo four >>out
exec 3>&- 4<&-
cat out
{ echo to-out; echo to-err >&2; } 2>&1 >/dev/null | cat
echo through-5 >&5
exec {free}<out
read -r line <&"$free"
exec {free}<&-
echo "$line"
wc -c <out
set -C
echo no >out || echo "not overwritten"
set +C
: >out
echo "size $(stat -c %s out)"

echo "here documents"
cat <<END
expanded $((6 * 7))
END
cat <<'END'
kept $((6 * 7))
END
cat <<<"a here string"
while IFS=: read -r key value; do echo "$value=$key"; done <<END
a:1
b:2
END

echo "process substitution"
diff <(seq 5) <(seq 6)
tee >(wc -l >lines) < <(seq 1000) | tail -1
while [ ! -s lines ]; do sleep 0.01; done
cat lines
mapfile -t all < <(printf '%s\n' x y z)
echo "${#all[@]} ${all[2]}"

echo "coprocess"
coproc UPPER { while read -r word; do echo "${word^^}"; done; }
for word in first second; do
    echo "$word" >&"${UPPER[1]}"
    read -r answer <&"${UPPER[0]}"
    echo "$answer"
done
upper=$UPPER_PID
exec {UPPER[1]}>&-
wait "$upper"
echo "coprocess $?"

echo "jobs"
for code in 1 2 3; do (exit $code) & wait $!; echo "job $?"; done
sleep 100 &
kill -STOP %+
wait -f %+ 2>/dev/null &
kill -CONT %sleep
kill %sleep
wait %sleep 2>/dev/null
echo "killed $?"
(trap 'echo trapped; exit 5' USR1; kill -USR1 "$BASHPID"; sleep 10)
echo "trap $?"
timeout 0.1 cat <(sleep 1) >/dev/null
echo "timeout $?"

echo "subshells and functions"
recursive() { if [ "$1" -gt 0 ]; then echo "$(recursive $(($1 - 1)))x"; fi; }
recursive 20
for i in 1 2 3 4 5 6 7 8; do (echo "$i" >"part$i") & done
wait
cat part? | paste -sd+ - | { read -r sum; echo $((sum)); }
find . -name 'part*' -print0 | sort -z | xargs -0 -n2 -P2 cat | sort | tr -d '\n'
echo
exec cat <<<"the end, by another program"
