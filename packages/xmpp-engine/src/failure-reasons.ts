/** How far a stream came before it failed, or what it failed at. */
export const FAILURE_STAGES = [
  'dns',
  'tcp',
  'tls',
  'certificate',
  'authentication',
  'policy',
  'limit',
  'protocol',
  'stream',
] as const
export type FailureStage = (typeof FAILURE_STAGES)[number]

interface Row {
  readonly stage: FailureStage
  readonly sentence: (theirs: string, ours: string) => string
  /** What to do, for an administrator of ours. */
  readonly advice: (theirs: string, ours: string) => string
}

const row = (stage: FailureStage, sentence: Row['sentence'], advice: Row['advice']): Row => ({
  stage,
  sentence,
  advice,
})

const certificate = (advice: Row['advice'], sentence?: Row['sentence']): Row =>
  row(
    'certificate',
    sentence ?? ((theirs) => `The certificate of ${theirs} does not prove that it is ${theirs}`),
    advice,
  )

const ITS_ADMINISTRATOR = (todo: string) => (theirs: string) => `The administrator of ${theirs} must ${todo}.`

/** Every reason for which a stream can fail, in plain words: how the table of docs/failures.md comes to be. */
export const FAILURE_REASONS = {
  'domain-not-found': row(
    'dns',
    (theirs) => `DNS knows no XMPP server for ${theirs}: neither an SRV record nor an address`,
    (theirs) =>
      `Check the spelling of the domain in the partner record. If it is right, its administrator must publish ` +
      `_xmpp-server._tcp.${theirs}; or give the partner a fixed proxy.`,
  ),
  'service-refused': row(
    'dns',
    (theirs) => `${theirs} says in DNS that it offers no XMPP service: its SRV record has the target "."`,
    (theirs) => `Ask the administrator of ${theirs} whether this is the right domain; nothing else can be done here.`,
  ),
  'no-address': row(
    'dns',
    (theirs) => `The host that DNS names as the XMPP server of ${theirs} has no address`,
    ITS_ADMINISTRATOR('correct the SRV record or give its host an address'),
  ),
  'dns-trouble': row(
    'dns',
    (theirs) => `The name server answered the question for ${theirs} with an error`,
    (theirs) =>
      `The name servers of ${theirs} are broken, or its zone is badly signed (DNSSEC): tell its administrator, and ` +
      `give the partner a fixed proxy until then. If it is so for every partner, look at the resolver of the edge.`,
  ),
  'dns-silent': row(
    'dns',
    (theirs) => `No name server answered the question for ${theirs} in time`,
    (theirs) =>
      `Check dns.servers of edge.yaml, or the system's resolver, and that UDP and TCP port 53 are open to it. If it is ` +
      `so for this partner alone, the name servers of ${theirs} are down.`,
  ),
  'connection-refused': row(
    'tcp',
    (theirs) => `The connection to the XMPP server of ${theirs} was refused: nothing listens there`,
    (theirs) =>
      `Ask the administrator of ${theirs} whether the server runs, and whether the SRV record (or the proxy in the ` +
      `partner record) names the right port.`,
  ),
  'no-route': row(
    'tcp',
    (theirs) => `The network of the XMPP server of ${theirs} cannot be reached from here`,
    () => `Check the routes and the firewall of the edge; for an IPv6 address, whether the edge has IPv6 at all.`,
  ),
  'connect-timeout': row(
    'tcp',
    (theirs) => `The XMPP server of ${theirs} did not answer the attempt to connect in time`,
    () =>
      `It is down, or a firewall drops the connection: check that the edge may connect out to this address and port.`,
  ),
  unreachable: row(
    'tcp',
    (theirs) => `No connection to the XMPP server of ${theirs} could be made`,
    () =>
      `The technical detail has the error of the system: EMFILE wants a higher limit of open files for the edge, ` +
      `anything else a look at its network.`,
  ),
  timeout: row(
    'tcp',
    (theirs) => `The time for reaching the XMPP server of ${theirs} was over before every address had been tried`,
    () => `Its name servers or its hosts are slow or down; look at each address in the technical detail.`,
  ),
  'address-not-allowed': row(
    'policy',
    (theirs) => `DNS sends us to an address for ${theirs} where no partner may be`,
    () => `If the address is right, set it as the proxy of the partner; otherwise its DNS is wrong, or hostile.`,
  ),
  'hung-up': row(
    'tcp',
    (theirs) => `${theirs} ended the connection before it had authenticated`,
    () => `Look at the log of the other side. A port scan or a health check looks the same, and is harmless.`,
  ),
  'hung-up-authenticating': row(
    'authentication',
    (theirs) => `${theirs} ended the connection while we authenticated`,
    (_theirs, ours) => `It may not have us on its list: ask its administrator for the log about ${ours}.`,
  ),
  'connection-lost': row(
    'tcp',
    (theirs) => `The connection with ${theirs} broke`,
    () => `Once, nothing: the next message makes a new one. Often: look at the network and at the partner's log.`,
  ),
  'not-reading': row(
    'tcp',
    (theirs) => `The server of ${theirs} does not read what we send`,
    (theirs) => `It is overloaded or hangs: tell the administrator of ${theirs}.`,
  ),
  'not-answering': row(
    'tcp',
    (theirs) => `The server of ${theirs} answers no more: neither a ping of ours nor a request for its count`,
    () =>
      `The connection was dead and a new one is made; if it happens often, look for a firewall that forgets connections.`,
  ),
  closed: row(
    'stream',
    (theirs) => `The stream with ${theirs} was closed before it was of use`,
    () => `Nothing when we closed it; otherwise see the technical detail and the partner's log.`,
  ),

  'tls-failed': row(
    'tls',
    (theirs) => `The TLS handshake with ${theirs} failed`,
    () => `See the technical detail, and the partner's log of the same moment.`,
  ),
  'starttls-refused': row(
    'tls',
    (theirs) => `The server of ${theirs} refused to start TLS, or hung up on it`,
    (theirs) =>
      `The administrator of ${theirs} must set up a certificate for it. Only where plain text is acceptable: set ` +
      `tlsNegotiation of the partner to notSupported.`,
  ),
  'not-tls': row(
    'tls',
    (theirs) => `${theirs} answered the TLS handshake with something that is not TLS`,
    () => `The SRV record or the proxy may name the wrong port: _xmpps-server is for TLS from the first byte.`,
  ),
  'tls-nothing-common': row(
    'tls',
    (theirs) => `${theirs} has no version or cipher of TLS in common with us; we speak 1.2 and 1.3`,
    ITS_ADMINISTRATOR('switch on TLS 1.2 or 1.3 with ciphers of today'),
  ),
  'tls-name-unknown': row(
    'tls',
    (theirs) => `The server that we reached has no certificate for ${theirs}`,
    (theirs) =>
      `The SRV record of ${theirs} leads to a host that does not serve it: its administrator must correct that.`,
  ),
  'tls-hung-up': row(
    'tls',
    (theirs) => `${theirs} ended the connection in the TLS handshake`,
    (_theirs, ours) => `Its log says why; it may dislike the certificate of ${ours}.`,
  ),
  'tls-timeout': row(
    'tls',
    (theirs) => `The TLS handshake with ${theirs} took too long`,
    () => `The peer hangs, or a firewall inspects TLS on the way.`,
  ),
  'tls-required': row(
    'tls',
    (theirs) => `${theirs} wants no TLS, and its partner record requires it`,
    (theirs) =>
      `The administrator of ${theirs} must switch TLS on; or set tlsNegotiation of the partner to optional, if you can do without.`,
  ),
  'plaintext-injection': row(
    'tls',
    (theirs) => `Plain text stood behind the start of TLS with ${theirs}: somebody on the way may have put it there`,
    () => `If it repeats, the network between is hostile, or the peer's software is broken.`,
  ),
  'no-own-certificate': row(
    'certificate',
    (_theirs, ours) => `TLS is required, and this edge has no certificate for ${ours}`,
    (_theirs, ours) => `Add a certificate for ${ours} to xmpp.certificates of edge.yaml.`,
  ),
  'our-certificate-refused': row(
    'certificate',
    (theirs, ours) => `The server of ${theirs} refuses our certificate for ${ours}`,
    (_theirs, ours) =>
      `See that the certificate of ${ours} has not expired, names the domain, comes from an authority that the partner ` +
      `trusts, and that its file holds the whole chain.`,
  ),
  certificate: certificate((theirs) => `The administrator of ${theirs} must set up a proper certificate.`),
  'certificate-none-presented': certificate(ITS_ADMINISTRATOR('set up a certificate')),
  'certificate-malformed': certificate(ITS_ADMINISTRATOR('replace it')),
  'certificate-too-long': certificate(ITS_ADMINISTRATOR('send a shorter chain')),
  'certificate-expired': certificate(ITS_ADMINISTRATOR('renew it')),
  'certificate-not-yet-valid': certificate(ITS_ADMINISTRATOR('look at its dates, and both sides at their clocks')),
  'certificate-self-signed': certificate(
    (theirs) =>
      `The administrator of ${theirs} must get one of an authority; or add its pin, which stands in the detail, to certificatePins of the partner record when that administrator confirms it; or allow dialback there.`,
  ),
  'certificate-unknown-issuer': certificate(
    (theirs) => `The administrator of ${theirs} must send the whole chain; or add its authority to xmpp.trustedCas.`,
  ),
  'certificate-bad-signature': certificate(ITS_ADMINISTRATOR('send the chain that belongs to it')),
  'certificate-bad-ca': certificate(ITS_ADMINISTRATOR('get one of a proper authority')),
  'certificate-wrong-purpose': certificate(ITS_ADMINISTRATOR('get one for servers')),
  'certificate-weak': certificate(ITS_ADMINISTRATOR('get one with a stronger key and SHA-256')),
  'certificate-unsupported': certificate(ITS_ADMINISTRATOR('get one without unusual conditions')),
  'certificate-wrong-name': certificate(
    (theirs) =>
      `The administrator of ${theirs} must get one that names ${theirs}; the server may also be the wrong one.`,
  ),
  'certificate-not-pinned': certificate(
    (theirs) =>
      `If ${theirs} has changed its key, and its administrator says so by another way: add the pin to certificatePins of ` +
      `the partner record. Otherwise somebody else may stand in between.`,
  ),
  'certificate-revoked': certificate(ITS_ADMINISTRATOR('replace it, and the stolen or lost key with it')),
  'certificate-ended': certificate(
    () => `Nothing when a new one is in place: the next message makes a new stream with it. Otherwise renew it.`,
    (theirs, ours) => `A certificate that proved the stream between ${ours} and ${theirs} has expired`,
  ),

  'sasl-refused': row(
    'authentication',
    (theirs, ours) => `The server of ${theirs} does not accept our certificate as proof that we are ${ours}`,
    (_theirs, ours) =>
      `See that the certificate of ${ours} names it, comes from an authority that the partner trusts and has not ` +
      `expired; old servers want the purpose clientAuth too. Dialback in the partner record is the way around.`,
  ),
  'sasl-not-accepted': row(
    'authentication',
    (theirs) => `${theirs} tried to authenticate by its certificate, and could not`,
    () => `See the technical detail: its certificate, its partner record or its request does not allow it.`,
  ),
  'no-method': row(
    'authentication',
    (theirs) => `${theirs} and we have no way to authenticate in common`,
    () =>
      `Compare tlsNegotiation, saslNegotiation and dialback of the partner record with what its server offers; the ` +
      `technical detail says what was missing.`,
  ),
  'dialback-invalid': row(
    'authentication',
    (theirs, ours) => `${theirs} asked the server of ${ours} about our dialback key, and heard that it is wrong`,
    (_theirs, ours) =>
      `The SRV record of ${ours} must lead to this edge, and all edges of ${ours} must have one dialback secret.`,
  ),
  'dialback-forged': row(
    'authentication',
    (theirs) => `Somebody said to be ${theirs}, whose own server says that it was not`,
    () => `Nothing: it was refused. If it is the real partner, all its servers need the same dialback secret.`,
  ),
  'dialback-error': row(
    'authentication',
    (theirs, ours) => `${theirs} could not verify our dialback key for ${ours}`,
    (_theirs, ours) =>
      `The SRV record of ${ours} must lead to this edge, and its port must be open to the partner; see what it said.`,
  ),
  'dialback-unsolicited': row(
    'authentication',
    (theirs) => `${theirs} answered a dialback question that was never asked`,
    () => `Its software is broken, or it tries to forge an identity; it was cut off.`,
  ),
  'authentication-timeout': row(
    'authentication',
    (theirs) => `${theirs} did not finish our authentication in time`,
    (_theirs, ours) =>
      `It may be unable to reach the server of ${ours} for dialback: test our SRV record from outside.`,
  ),
  'not-in-time': row(
    'authentication',
    (theirs) => `${theirs} connected and did not authenticate in time`,
    () => `A scanner, or a server that waits for something: see its log.`,
  ),
  'not-authorized': row(
    'authentication',
    (theirs) => `${theirs} sent something for which it had to authenticate first`,
    () => `Nothing: it was cut off. If it is a partner, its software is broken.`,
  ),
  'invalid-from': row(
    'authentication',
    (theirs) => `${theirs} spoke for a domain that it has not proven to be`,
    () => `Nothing: it was cut off. A partner with several domains must authenticate each of them.`,
  ),
  'peer-not-authorized': row(
    'authentication',
    (theirs, ours) => `${theirs} does not believe that we are ${ours}`,
    (_theirs, ours) => `Check our certificate and the SRV record of ${ours}, and ask the partner for its log.`,
  ),

  'not-allowed': row(
    'policy',
    (theirs, ours) => `Streams between ${ours} and ${theirs} are not allowed here`,
    () => `If they should be: POST /v1/decisions says which rule stands in the way.`,
  ),
  'unknown-partner': row(
    'policy',
    (theirs) => `${theirs} is no partner of ours, or is switched off`,
    () => `If it should be one, add it to the partners; its sub-domains have to be listed one by one.`,
  ),
  'own-domain': row(
    'policy',
    (theirs) => `Somebody outside said to be ${theirs}, which is a domain of ours`,
    () => `A forgery, or a loop: see that no second XMPP server of yours serves the same domain.`,
  ),
  'host-unknown': row(
    'policy',
    (theirs, ours) => `${theirs} wants to speak with ${ours}, which is not served here`,
    (_theirs, ours) => `Add ${ours} to the local domains if it should be; otherwise its SRV record must not lead here.`,
  ),
  'peer-host-unknown': row(
    'policy',
    (theirs) => `The server that we reached says that it does not serve ${theirs}`,
    (theirs) => `The SRV record of ${theirs}, or the proxy in the partner record, leads to the wrong server.`,
  ),
  'peer-policy-violation': row(
    'policy',
    (theirs) => `${theirs} refuses us by its policy`,
    (theirs, ours) =>
      `Ask the administrator of ${theirs} to allow ${ours}; it may also want TLS or a better certificate.`,
  ),

  'connection-limit': row(
    'limit',
    (theirs) => `There are as many connections as allowed, so that none more with ${theirs} can be had`,
    () => `Raise connectionLimit of the partner, or of the settings, if the number is rightly so high.`,
  ),
  penalty: row(
    'limit',
    (theirs) =>
      `Too many streams of ${theirs} ended by its own fault, so that it has to wait before it may open another`,
    (theirs) =>
      `The records beside this one say what ${theirs} did wrong, and its administrator must mend it. It is let in again ` +
      `by itself, the later the longer it goes on: see xmpp.penalties in edge.yaml.`,
  ),
  'too-much-unproven': row(
    'limit',
    (theirs) => `${theirs} sent more before authenticating than any server needs to`,
    () => `Nothing: it was cut off.`,
  ),
  'stanza-too-big': row(
    'limit',
    (theirs) => `${theirs} sent more in one stanza than its partner record allows, or nested it too deeply`,
    () => `Raise limits.maxStanzaBytes of the partner if its users need it.`,
  ),
  'peer-resource-constraint': row(
    'limit',
    (theirs) => `${theirs} is overloaded, or has as many connections with us as it allows`,
    () => `Wait; if it goes on, ask its administrator.`,
  ),
  'queue-full': row(
    'limit',
    (theirs) => `Too many stanzas wait for ${theirs}`,
    () => `The partner is slow or away; what does not fit is answered with an error at once.`,
  ),
  'too-big': row(
    'limit',
    (theirs) => `A stanza was larger than ${theirs} takes`,
    () => `Its sender was told.`,
  ),
  expired: row(
    'limit',
    (theirs) => `A stanza waited for a stream with ${theirs} until its time was over`,
    () => `Its sender was told; the reason of the stream itself stands beside this one.`,
  ),

  'no-answer': row(
    'protocol',
    (theirs) => `${theirs} took the connection and then said nothing`,
    () => `What listens there may be no XMPP server: check the port.`,
  ),
  'unsupported-version': row(
    'protocol',
    (theirs) => `${theirs} speaks a version of XMPP that is not spoken here`,
    (theirs) =>
      `A server from before XMPP 1.0 can do neither TLS nor SASL: the partner record of ${theirs} must say so.`,
  ),
  'protocol-error': row(
    'protocol',
    (theirs) => `${theirs} sent what XMPP does not allow, and we closed the stream`,
    (theirs) => `The software of ${theirs} is broken, or it is no XMPP server; the technical detail says what it was.`,
  ),
  'peer-error': row(
    'protocol',
    (theirs) => `${theirs} closed the stream with an error`,
    () => `The technical detail has what it said; its log says more.`,
  ),
  'peer-protocol-error': row(
    'protocol',
    (theirs) => `${theirs} could not read what we sent, and closed the stream`,
    () =>
      `The technical detail has what it said. If it repeats, one of the two is broken: find the stanza that went before ` +
      `it in the journal of messages, and tell those who make the software.`,
  ),
  'peer-see-other-host': row(
    'protocol',
    (theirs) => `${theirs} sends us to another host, which we do not follow`,
    () => `Set that host as the proxy of the partner, if you trust it.`,
  ),
  'peer-timeout': row(
    'stream',
    (theirs) => `${theirs} gave us up: it had heard nothing from us for too long`,
    () => `Nothing when it happens once; switch keepAlive of the partner on if it is off.`,
  ),
  'peer-conflict': row(
    'stream',
    (theirs, ours) => `${theirs} closed the stream since it has another one with ${ours}`,
    (_theirs, ours) => `Nothing when it happens once. Often: see that no second server speaks for ${ours}.`,
  ),
  'peer-reset': row(
    'stream',
    (theirs) => `${theirs} wants the stream to begin anew`,
    () => `Nothing: the next message makes a new one.`,
  ),
  'peer-shutdown': row(
    'stream',
    (theirs) => `The server of ${theirs} is shutting down`,
    () => `Nothing: we try again when there is something to send.`,
  ),
  'shutting-down': row(
    'stream',
    () => `This edge is shutting down`,
    () => `Nothing.`,
  ),
} as const satisfies Readonly<Record<string, Row>>

export type FailureReason = keyof typeof FAILURE_REASONS
