FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends kamailio kamailio-presence-modules kamailio-sqlite-modules sqlite3 \
 && rm -rf /var/lib/apt/lists/* && mkdir -p /var/lib/kamailio && chown kamailio:kamailio /var/lib/kamailio
COPY start-kamailio.sh /usr/local/bin/start-kamailio.sh
USER kamailio
EXPOSE 5060/udp 5060/tcp
ENTRYPOINT ["/bin/sh", "/usr/local/bin/start-kamailio.sh"]
