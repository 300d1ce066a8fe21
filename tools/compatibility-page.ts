/** Draws `docs/compatibility.md` from the rows that the end-to-end tests play, so that it says what they have seen. */
import {
  INTEROP_JOURNEYS,
  isRefused,
  isSameStream,
  PARTNERS,
  PEERS,
  STREAM_ROWS,
  USER_JOURNEYS,
  VERSIONS,
  type Expected,
  type OurDomain,
  type PartnerRecord,
  type Peer,
  type StreamRow,
  type Theirs,
} from '../e2e/src/compatibility.ts'

const THEIRS: Readonly<Record<Theirs, string>> = {
  certificates: 'of a CA; takes nothing but certificates',
  'tls-1.2': 'of a CA; takes nothing but certificates',
  'dialback-ca': 'of a CA; takes dialback too',
  expired: 'of a CA, expired; takes dialback too',
  'self-signed': 'self-signed; takes dialback',
  'no-tls': 'no TLS',
}

const OURS: Readonly<Record<OurDomain, string>> = {
  ca: 'of a CA',
  direct: 'of a CA',
  v6: 'of a CA',
  'server-only': 'of a CA, for servers only',
  'self-signed': 'self-signed',
}

const METHODS = {
  'sasl-external': 'SASL EXTERNAL',
  'dialback-over-tls': 'dialback',
  'dialback-over-tcp': 'dialback',
} as const

function told(expected: Expected): string {
  if (isSameStream(expected)) return 'on the same stream'
  if (isRefused(expected)) return `${expected.refused} (\`${expected.cause}\`)`
  const { method, tls, streamManagement, bidirectional, lacks } = expected
  const words = [METHODS[method], tls ?? 'no TLS']
  if (streamManagement) words.push('acknowledged')
  if (bidirectional) words.push('both directions')
  return lacks === undefined ? words.join(', ') : `${lacks} there: ${words.join(', ')}`
}

const record = ({ tlsNegotiation, saslNegotiation, dialback }: PartnerRecord): string =>
  `${tlsNegotiation}, ${saslNegotiation}, ${dialback ? 'true' : 'false'}`

function streamLine({ feature, partner, ours, fromThem, toThem }: StreamRow): string {
  const { theirs, record: asked } = PARTNERS[partner]
  const cells = [feature, THEIRS[theirs], OURS[ours], record(asked), told(fromThem), told(toThem)]
  return `| ${cells.join(' | ')} |`
}

const section = (peer: Peer): string =>
  [
    `## ${peer} ${VERSIONS[peer]}\n`,
    '| what | their certificate | ours | record: TLS, SASL, dialback | from them to us | from us to them |',
    '| --- | --- | --- | --- | --- | --- |',
    ...STREAM_ROWS.filter((row) => row.peer === peer).map(streamLine),
    '',
  ].join('\n')

const journeys = (): string =>
  [
    '## More than one stream\n',
    `| what | ${PEERS.map((peer) => `${peer} ${VERSIONS[peer]}`).join(' | ')} |`,
    '| --- | --- | --- |',
    ...[...USER_JOURNEYS, ...INTEROP_JOURNEYS].map(
      ({ feature, result }) => `| ${feature} | ${PEERS.map((peer) => result[peer]).join(' | ')} |`,
    ),
    '',
  ].join('\n')

/** `docs/compatibility.md`, whole. */
export const compatibilityPage = (): string =>
  [
    `# Compatibility

Generated from the rows that the end-to-end tests play with the servers of Debian 12 (\`e2e/src/compatibility.ts\`, \`pnpm run docs\`);
do not edit. In each row a user of the partner's server and a user of ours write to each other, and \`/v1/sessions\` tells the method and
the version of TLS of the stream in each direction; where there is no stream, its list of failures tells this reason (the name is that
of [failures](failures.md)) and the sender hears an error.
`,
    ...PEERS.map(section),
    journeys(),
    `## What to know about Prosody 0.12.3

- It does stream management (XEP-0198, module \`smacks\`) on streams that certificates have proven, and not where dialback has: there what is
  under way when one of the two ends may be lost, and nobody is told. \`/v1/sessions\` shows \`streamManagement\` for each stream.
`,
    `## What to know about ejabberd 23.01

- It takes a certificate for SASL EXTERNAL only when it is good for clients too, which public CAs no longer issue; newer ones take it. Until
  then let its record allow dialback (\`saslNegotiation: optional\`) and load \`mod_s2s_dialback\` there.
- With direct TLS and several domains it may show the certificate of the first of them, whatever name the handshake asks for: give
  such a server one certificate for all of its domains, or STARTTLS.
- It has neither stream management (XEP-0198) between servers nor bidirectional streams (XEP-0288).
- A link that failed stays barred for up to \`s2s_max_retry_delay\` (300 s): lower it where partners restart often.
`,
  ].join('\n')
