#!/bin/sh
# world.sh DIRECTORY USER GROUP COMMAND...: runs COMMAND as USER on a host of its own, which has an internet of its own:
# internet.py in a new network namespace, names in /etc/hosts. Root, in new network and mount namespaces.
set -eu
directory=$1 user=$2 group=$3
shift 3
here=$(dirname "$0")
ip link set lo up
for address in 203.0.113.10 203.0.113.11 203.0.113.12 203.0.113.13 10.9.9.9; do ip address add $address/32 dev lo; done
cat > "$directory/hosts" <<HOSTS
127.0.0.1 localhost
203.0.113.10 web.example other.example
203.0.113.11 raw.example
203.0.113.12 tls.example twin.example
203.0.113.13 api.example
10.9.9.9 private.example
HOSTS
echo 'hosts: files' > "$directory/nsswitch.conf"
chmod 644 "$directory/hosts" "$directory/nsswitch.conf"
mount --bind "$directory/hosts" /etc/hosts
mount --bind "$directory/nsswitch.conf" /etc/nsswitch.conf
key() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@" 2>/dev/null; }
cd "$directory"
key -x509 -keyout ca.key -out ca.pem -subj /CN=test -days 2
for name in tls api; do
  key -keyout $name.key -out $name.csr -subj /CN=$name.example
  echo "subjectAltName=DNS:$name.example,DNS:twin.example" > names
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $name.pem -days 2 -extfile names 2>/dev/null
done
chmod 644 ca.pem
mkfifo input output
python3 "$here/internet.py" "$directory" < input > output &
exec 3> input
read -r ready < output
[ "$ready" = ready ]
export SSL_CERT_FILE="$directory/ca.pem"
setpriv --reuid "$user" --regid "$group" --clear-groups -- "$@" || code=$?
exec 3>&-
wait
exit "${code-0}"
