FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends prosody lua-event openssl && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /var/lib/prosody /run/prosody && chown prosody:prosody /var/lib/prosody /run/prosody
COPY start-prosody.sh /usr/local/bin/start-prosody.sh
USER prosody
EXPOSE 5222 5269
ENTRYPOINT ["/bin/sh", "/usr/local/bin/start-prosody.sh"]
