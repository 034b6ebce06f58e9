#!/bin/sh
# /etc/letsencrypt/renewal-hooks/deploy/secnode.sh, mode 0755: certbot runs it after each renewal.
# Gives the node its own copy, which its user may read, and tells it. The daemon looks at the files every 30 seconds
# anyway; the reload makes it at once. A pair that does not fit, or is worse than the old one, is refused in the log.
# The first copy is made by hand, before the service runs:
#   RENEWED_DOMAINS=node.example.org RENEWED_LINEAGE=/etc/letsencrypt/live/node.example.org sh secnode.sh
set -eu

name=node.example.org
target=/etc/secnode/tls

case " ${RENEWED_DOMAINS:-} " in
*" $name "*) ;;
*) exit 0 ;;
esac

install -d -o root -g secnode -m 0750 "$target"
# Each appears whole: written beside, then renamed. The key first, since the certificate is what is served by it.
for file in privkey.pem fullchain.pem; do
  install -o root -g secnode -m 0640 "$RENEWED_LINEAGE/$file" "$target/$file.new"
  mv "$target/$file.new" "$target/$file"
done
systemctl try-reload-or-restart secnode.service
