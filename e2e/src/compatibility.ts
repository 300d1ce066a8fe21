/**
 * What we do with the servers of others, as a table: `interop` plays each row and fails where a row is not true, and
 * `docs/compatibility.md` is drawn from the same rows.
 */

export const PEERS = ['Prosody', 'ejabberd'] as const
export type Peer = (typeof PEERS)[number]

/** The versions that the rows were played with: Debian 12's. */
export const VERSIONS: Readonly<Record<Peer, string>> = { Prosody: '0.12.3', ejabberd: '23.01' }

/** What `/v1/sessions` says of a stream on which messages have arrived. */
interface Proven {
  readonly method: 'sasl-external' | 'dialback-over-tls' | 'dialback-over-tcp'
  readonly tls: 'TLSv1.3' | 'TLSv1.2' | null
  /** @see XEP-0198 */
  readonly streamManagement: boolean
  /** @see XEP-0288 */
  readonly bidirectional: boolean
  /** For the page: what the row is about, and their server has not. */
  readonly lacks?: string
}

/** There is none of its own: the stream of the other direction has carried the messages. */
interface SameStream {
  readonly sameStream: true
}

/** There is no stream: what our list of failures says, and what the sender hears. */
interface Refused {
  /** For the page: who refuses, and what is said. */
  readonly refused: string
  /** The stable name of the reason, and its words. @see docs/failures.md */
  readonly cause: string
  readonly says: RegExp
}

export type Expected = Proven | SameStream | Refused

export const isSameStream = (expected: Expected): expected is SameStream => 'sameStream' in expected

export const isRefused = (expected: Expected): expected is Refused => 'refused' in expected

const PLAIN_STREAM = { streamManagement: false, bidirectional: false } as const
const EXTERNAL: Proven = { method: 'sasl-external', tls: 'TLSv1.3', ...PLAIN_STREAM }
const DIALBACK: Proven = { method: 'dialback-over-tls', tls: 'TLSv1.3', ...PLAIN_STREAM }
const IN_CLEAR: Proven = { method: 'dialback-over-tcp', tls: null, ...PLAIN_STREAM }
const MANAGED: Proven = { ...EXTERNAL, streamManagement: true }
const BOTH_WAYS: Proven = { ...EXTERNAL, bidirectional: true }
const SAME_STREAM: SameStream = { sameStream: true }

/**
 * What we show: by a CA that they trust, the same for servers only, or vouched for by nobody. `direct`: DNS tells of direct
 * TLS alone; `v6`: of IPv6 addresses alone.
 */
export type OurDomain = 'ca' | 'server-only' | 'self-signed' | 'direct' | 'v6'

/** How the partner's server is set up. `dialback-ca`: it has a CA's certificate and takes dialback too; so does `expired`. */
export type Theirs = 'certificates' | 'tls-1.2' | 'dialback-ca' | 'expired' | 'self-signed' | 'no-tls'

/** The partner's record here: TLS, SASL, dialback. */
export interface PartnerRecord {
  readonly tlsNegotiation: 'required' | 'notSupported'
  readonly saslNegotiation: 'required' | 'optional' | 'notSupported'
  readonly dialback: boolean
}

const CERTIFICATES_ONLY: PartnerRecord = { tlsNegotiation: 'required', saslNegotiation: 'required', dialback: false }
const DIALBACK_TOO: PartnerRecord = { tlsNegotiation: 'required', saslNegotiation: 'optional', dialback: true }
const NO_TLS: PartnerRecord = { tlsNegotiation: 'notSupported', saslNegotiation: 'notSupported', dialback: true }

export interface Partner {
  readonly theirs: Theirs
  readonly record: PartnerRecord
  /** Of Prosody, where it is one. */
  readonly modules?: readonly string[]
}

/**
 * Partners of each kind, by the first label of their domain. `direct` comes first: with direct TLS, ejabberd 23.01 shows
 * the certificate of the first of its domains as soon as it has dialled for it, whatever domain we name (fast_tls).
 */
export const PARTNERS = {
  direct: { theirs: 'certificates', record: CERTIFICATES_ONLY },
  cert: { theirs: 'certificates', record: CERTIFICATES_ONLY },
  'cert-clear': { theirs: 'certificates', record: NO_TLS },
  managed: { theirs: 'certificates', record: CERTIFICATES_ONLY, modules: ['smacks'] },
  bidi: { theirs: 'certificates', record: CERTIFICATES_ONLY, modules: ['s2s_bidi'] },
  v6: { theirs: 'certificates', record: CERTIFICATES_ONLY },
  'tls-1-2': { theirs: 'tls-1.2', record: CERTIFICATES_ONLY },
  both: { theirs: 'dialback-ca', record: DIALBACK_TOO },
  expired: { theirs: 'expired', record: DIALBACK_TOO },
  'expired-strict': { theirs: 'expired', record: CERTIFICATES_ONLY },
  // Prosody acknowledges nothing on a stream that dialback has proven, though it could.
  self: { theirs: 'self-signed', record: DIALBACK_TOO, modules: ['smacks'] },
  'self-strict': { theirs: 'self-signed', record: CERTIFICATES_ONLY },
  clear: { theirs: 'no-tls', record: NO_TLS },
  'clear-strict': { theirs: 'no-tls', record: DIALBACK_TOO },
} as const satisfies Readonly<Record<string, Partner>>

export type PartnerName = keyof typeof PARTNERS

export interface StreamRow {
  readonly peer: Peer
  readonly feature: string
  readonly partner: PartnerName
  readonly ours: OurDomain
  readonly fromThem: Expected
  readonly toThem: Expected
  /** Who writes first, and so opens a stream; left out: they. */
  readonly first?: 'us'
}

type Both = Readonly<Record<Peer, Pick<StreamRow, 'fromThem' | 'toThem'>>>

const onBoth = (feature: string, partner: PartnerName, ours: OurDomain, expected: Both): readonly StreamRow[] =>
  PEERS.map((peer) => ({ peer, feature, partner, ours, ...expected[peer] }))

const same = (fromThem: Expected, toThem: Expected = fromThem): Both => ({
  Prosody: { fromThem, toThem },
  ejabberd: { fromThem, toThem },
})

const no = (refused: string, cause: string, says: RegExp): Refused => ({ refused, cause, says })

const SELF_SIGNED = no('we refuse: signed by itself alone', 'certificate-self-signed', /signed by itself alone/)
const EXPIRED = no('we refuse: it has expired', 'certificate-expired', /expired on/)
const NOT_TRUSTED = no('they refuse: “certificate is not trusted”', 'peer-not-authorized', /certificate is not trusted/)
const THEY_WANT_TLS = no('we refuse: they require TLS', 'no-method', /requires TLS and the partner record says/)

export const STREAM_ROWS: readonly StreamRow[] = [
  ...onBoth('SASL EXTERNAL, certificates of a CA', 'cert', 'ca', same(EXTERNAL)),
  ...onBoth('SASL EXTERNAL, our certificate is for servers only', 'cert', 'server-only', {
    Prosody: { fromThem: EXTERNAL, toThem: EXTERNAL },
    ejabberd: {
      fromThem: EXTERNAL,
      toThem: no('they refuse: “unsupported certificate purpose”', 'sasl-refused', /unsupported certificate purpose/),
    },
  }),
  ...onBoth('the same, and dialback allowed on both sides', 'both', 'server-only', {
    Prosody: { fromThem: EXTERNAL, toThem: EXTERNAL },
    ejabberd: { fromThem: EXTERNAL, toThem: DIALBACK },
  }),
  ...onBoth('dialback over TLS, self-signed certificates', 'self', 'self-signed', same(DIALBACK)),
  ...onBoth(
    'their certificate of a CA, ours self-signed, dialback allowed',
    'both',
    'self-signed',
    same(EXTERNAL, DIALBACK),
  ),
  ...onBoth('dialback over plain TCP', 'clear', 'ca', same(IN_CLEAR)),
  ...onBoth('TLS 1.2 and nothing later', 'tls-1-2', 'ca', same({ ...EXTERNAL, tls: 'TLSv1.2' })),
  ...onBoth('direct TLS (XEP-0368)', 'direct', 'direct', same(EXTERNAL)),
  // ejabberd's C library asks the name server of the machine for addresses.
  { peer: 'Prosody', feature: 'IPv6 alone', partner: 'v6', ours: 'v6', fromThem: EXTERNAL, toThem: EXTERNAL },
  ...onBoth('stream management (XEP-0198)', 'managed', 'ca', {
    Prosody: { fromThem: MANAGED, toThem: MANAGED },
    ejabberd: same({ ...EXTERNAL, lacks: 'no stream management' }).ejabberd,
  }),
  ...onBoth('one stream for both directions (XEP-0288), opened by them', 'bidi', 'ca', {
    Prosody: { fromThem: BOTH_WAYS, toThem: SAME_STREAM },
    ejabberd: same({ ...EXTERNAL, lacks: 'not on one stream' }).ejabberd,
  }),
  ...onBoth('one stream for both directions, opened by us', 'bidi', 'direct', {
    Prosody: { fromThem: SAME_STREAM, toThem: BOTH_WAYS },
    ejabberd: same({ ...EXTERNAL, lacks: 'not on one stream' }).ejabberd,
  }).map((row) => ({ ...row, first: 'us' as const })),
  ...onBoth('they ask for a certificate, ours is self-signed', 'cert', 'self-signed', {
    Prosody: { fromThem: NOT_TRUSTED, toThem: NOT_TRUSTED },
    ejabberd: {
      fromThem: no('they close without a word', 'hung-up', /it may not accept our certificate/),
      toThem: no('they refuse: “self signed certificate”', 'sasl-refused', /self signed certificate/),
    },
  }),
  ...onBoth('we ask for a certificate, theirs is self-signed', 'self-strict', 'ca', same(SELF_SIGNED)),
  ...onBoth('their certificate has expired, dialback allowed', 'expired', 'ca', same(DIALBACK)),
  ...onBoth('we ask for a certificate, theirs has expired', 'expired-strict', 'ca', same(EXPIRED)),
  ...onBoth('we ask for TLS, they have none', 'clear-strict', 'ca', {
    Prosody: {
      fromThem: no('we refuse: TLS is required', 'tls-required', /TLS is required/),
      toThem: no('we refuse: they have no TLS', 'tls-required', /unsupported-stanza-type to STARTTLS/),
    },
    ejabberd: {
      fromThem: no('they refuse: “STARTTLS is disabled”', 'no-method', /STARTTLS is disabled/),
      toThem: no('we refuse: they have no TLS', 'starttls-refused', /refused STARTTLS/),
    },
  }),
  ...onBoth('they ask for TLS, the record says none', 'cert-clear', 'ca', {
    Prosody: {
      fromThem: no('we refuse: they want TLS', 'no-method', /wants TLS and the partner record says/),
      toThem: THEY_WANT_TLS,
    },
    ejabberd: {
      fromThem: no('they refuse: “Use of STARTTLS required”', 'peer-policy-violation', /STARTTLS required/),
      toThem: THEY_WANT_TLS,
    },
  }),
]

/** Longer stories, played with both servers. */
interface Journey<Feature extends string> {
  readonly feature: Feature
  readonly result: Readonly<Record<Peer, string>>
}

const withBoth = <Feature extends string>(feature: Feature, result: string): Journey<Feature> => ({
  feature,
  result: { Prosody: result, ejabberd: result },
})

/** Those of `interop`. */
export const INTEROP_JOURNEYS = [
  withBoth('our certificate renewed', 'new streams show the new one, old ones stay up, nothing is lost'),
  withBoth('their certificate renewed', 'new streams show the new one, old ones stay up, nothing is lost'),
] as const satisfies readonly Journey<string>[]

/** Those of `users`. */
export const USER_JOURNEYS = [
  withBoth('messages each way', 'yes'),
  withBoth('presence of a SIP user, with approval', 'yes'),
  withBoth('presence of an XMPP user, with approval', 'yes'),
  withBoth('users who do not exist', 'the sender hears an error, each way'),
  {
    feature: 'the partner restarted while messages flow',
    result: {
      Prosody:
        'every message has an outcome, what was accepted arrives (what was on its way perhaps twice), streams come back by themselves',
      ejabberd:
        'every message has an outcome, streams come back by themselves; what is written while it stops may be lost, ' +
        'since it has no stream management between servers',
    },
  },
  withBoth(
    'the partner killed while messages flow',
    'the same, and the end of each stream is one record in the list of failures',
  ),
  withBoth(
    'the partner hangs for a while, and comes back',
    'nothing fails, everything arrives once, the streams stay up',
  ),
] as const satisfies readonly Journey<string>[]

export type UserJourney = (typeof USER_JOURNEYS)[number]['feature']

export type InteropJourney = (typeof INTEROP_JOURNEYS)[number]['feature']

export const domainOf = (peer: Peer, partner: PartnerName): string => `${partner}.${peer.toLowerCase()}.example`
