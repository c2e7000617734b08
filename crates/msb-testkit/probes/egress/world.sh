#!/bin/sh
# world.sh DIRECTORY USER GROUP COMMAND...: runs COMMAND as USER on a host of its own, which has an internet of its own:
# internet.py in a new network namespace, names in /etc/hosts. Root, in new network and mount namespaces. Where
# MSB_TEST_CLIENTS names a Python with gRPC's library, there is a server of that too, and where sshd is installed, one of
# SSH that lets the key DIRECTORY/key in.
set -eu
directory=$1 user=$2 group=$3
shift 3
here=$(dirname "$0")
ip link set lo up
for last in 10 11 12 13 20 21 22; do ip address add 203.0.113.$last/32 dev lo; done
ip address add 10.9.9.9/32 dev lo
cat > "$directory/hosts" <<HOSTS
127.0.0.1 localhost
203.0.113.10 web.example other.example
203.0.113.11 raw.example
203.0.113.12 tls.example twin.example
203.0.113.13 api.example
203.0.113.20 seen.example sealed.example reading.example denied.example models.example claude.example
203.0.113.21 calls.example calls-sealed.example calls-few.example
203.0.113.22 git.example
10.9.9.9 private.example
HOSTS
echo 'hosts: files' > "$directory/nsswitch.conf"
chmod 644 "$directory/hosts" "$directory/nsswitch.conf"
mount --bind "$directory/hosts" /etc/hosts
mount --bind "$directory/nsswitch.conf" /etc/nsswitch.conf
key() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@" 2>/dev/null; }
certify() { # certify NAME HOST,...
  key -keyout $1.key -out $1.csr -subj /CN=$1.example
  echo "subjectAltName=$2" > names
  openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $1.pem -days 2 -extfile names 2>/dev/null
}
cd "$directory"
key -x509 -keyout ca.key -out ca.pem -subj /CN=test -days 2
certify tls DNS:tls.example,DNS:twin.example
certify api DNS:api.example,DNS:twin.example
certify all DNS:seen.example,DNS:sealed.example,DNS:reading.example,DNS:calls.example,DNS:calls-sealed.example,DNS:calls-few.example,DNS:models.example,DNS:claude.example
chmod 644 ca.pem
rm -f input output hostkey hostkey.pub
mkfifo input output
python3 "$here/internet.py" "$directory" < input > output &
exec 3> input
read -r ready < output
[ "$ready" = ready ]
if [ -n "${MSB_TEST_CLIENTS-}" ]; then
  "$MSB_TEST_CLIENTS" "$here/calls.py" serve "$directory" 203.0.113.21 < input > output 3>&- &
  read -r ready < output
  [ "$ready" = ready ]
fi
ssh=
if [ -x /usr/sbin/sshd ]; then
  mkdir -p /run/sshd
  [ -f key ] || ssh-keygen -q -t ed25519 -N '' -f key
  ssh-keygen -q -t ed25519 -N '' -f hostkey
  cp key.pub authorized
  printf '%s\n' "ListenAddress 203.0.113.22:22" "HostKey $directory/hostkey" "AuthorizedKeysFile $directory/authorized" \
    "PidFile none" "StrictModes no" "UsePAM no" "PermitRootLogin yes" "PasswordAuthentication no" \
    "SetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*" > sshd.conf
  # Its sessions take SIGHUP for the end; the daemon itself is ended by its number.
  /usr/sbin/sshd -D -e -f "$directory/sshd.conf" 2> sshd.log 3>&- &
  ssh=$!
fi
export SSL_CERT_FILE="$directory/ca.pem"
setpriv --reuid "$user" --regid "$group" --clear-groups -- "$@" || code=$?
exec 3>&-
[ -z "$ssh" ] || kill "$ssh"
wait
exit "${code-0}"
