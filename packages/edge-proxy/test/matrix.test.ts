import { NEGOTIATION_MATRIX, type MatrixRow, type Method } from '@stox/federation'
import { silentLog } from '@stox/kernel'
import { makeAuthority, makeCertificate } from '@stox/testkit'
import {
  TlsIdentity,
  TrustStore,
  XmppEndpoint,
  certificateJudge,
  cryptoIds,
  nodeHashes,
  systemClock,
  systemTimers,
  type DnsResolver,
  type StanzaContext,
} from '@stox/transport'
import { EdgePolicy } from '../src/policy.ts'
import { MatrixPartner, type Capabilities } from './matrix-partner.ts'
import { SIP, domain, partner, replicaOf } from './samples.ts'

/**
 * All 18 rows against a partner in each of its 8 capabilities, over real sockets, as the one who dials and as the one who
 * is dialled, with STARTTLS and, for partners that have TLS, with direct TLS. What is expected is derived from the table
 * and from mapping F.2 and F.3, not from the code.
 */

const METHODS: readonly Method[] = ['sasl-external-over-tls', 'dialback-over-tls', 'dialback-over-tcp']
const PROOF: Readonly<Record<Method, string>> = {
  'sasl-external-over-tls': 'sasl-external',
  'dialback-over-tls': 'dialback-over-tls',
  'dialback-over-tcp': 'dialback-over-tcp',
}
const CAPABILITIES: readonly Capabilities[] = [true, false].flatMap((tls) =>
  [true, false].flatMap((sasl) => [true, false].map((dialback) => ({ tls, sasl, dialback }))),
)
const WAYS = ['STARTTLS', 'direct TLS'] as const
type Way = (typeof WAYS)[number]
const ALL: Capabilities = { tls: true, sasl: true, dialback: true }

const wordsOf = ({ tls, sasl, dialback }: Capabilities): string =>
  [tls && 'TLS', sasl && 'SASL', dialback && 'dialback'].filter((word) => word !== false).join(', ') || 'nothing'
const domainOf = (way: Way, row: MatrixRow, { tls, sasl, dialback }: Capabilities): string =>
  `${way === 'STARTTLS' ? '' : 'direct-'}row${row.row}-${[tls, sasl, dialback].map(Number).join('')}.partners.example`

/** The partner comes with TLS, and the record says that it has none: nothing is negotiated. @see XEP-0368 */
const isOutOfPlace = (way: Way, row: MatrixRow): boolean => way === 'direct TLS' && row.tls === 'notSupported'

/** The first method of the row that the partner has: SASL needs TLS, dialback needs no more than itself. */
function methodOf(way: Way, row: MatrixRow, can: Capabilities): Method | undefined {
  if (isOutOfPlace(way, row)) return undefined
  const has: Readonly<Record<Method, boolean>> = {
    'sasl-external-over-tls': can.tls && can.sasl,
    'dialback-over-tls': can.tls && can.dialback,
    'dialback-over-tcp': can.dialback,
  }
  return row.methods.find((method) => has[method])
}

const isEncrypted = (row: MatrixRow, can: Capabilities): boolean => can.tls && row.tls !== 'notSupported'

/** What the record of the failure says when we dial and nothing fits. @see mapping F.2 */
function failureWhenWeDial(way: Way, row: MatrixRow, can: Capabilities): string {
  if (row.verdict === 'invalid') return 'not-allowed'
  // It is not dialled, and there is no other way to it.
  if (isOutOfPlace(way, row)) return 'domain-not-found'
  // Asked for without having been offered, since the offer may have been stripped. @see RFC 7590 §3.1
  if (row.tls === 'required' && !can.tls) return 'tls-failed'
  // Dialback is tried without an offer, which is advisory; this partner means what it says.
  const dialback: Method = isEncrypted(row, can) ? 'dialback-over-tls' : 'dialback-over-tcp'
  return row.methods.includes(dialback) ? 'peer-error' : 'no-method'
}

/** What a partner hears that has nothing of what we offer, and tries the best it has. @see mapping F.3, F.5 */
function answerWhenTheyDial(way: Way, row: MatrixRow, can: Capabilities): string {
  if (row.verdict === 'invalid' || isOutOfPlace(way, row)) return 'stream policy-violation'
  const encrypted = isEncrypted(row, can)
  if (can.sasl) return encrypted ? 'sasl not-authorized' : 'sasl encryption-required'
  if (!can.dialback) return 'stream not-authorized'
  const onlyTlsIsMissing = !encrypted && row.methods.includes('dialback-over-tls')
  return onlyTlsIsMissing ? 'dialback policy-violation' : 'dialback not-authorized'
}

const CASES = WAYS.flatMap((way) =>
  NEGOTIATION_MATRIX.flatMap((row) =>
    CAPABILITIES.filter(({ tls }) => tls || way === 'STARTTLS').map((can) => ({ way, row, can })),
  ),
)
const titled = (expected: (way: Way, row: MatrixRow, can: Capabilities) => string) =>
  CASES.map(({ way, row, can }) => [way, row.row, wordsOf(can), expected(way, row, can), row, can] as const)

/** It knows direct TLS alone: who speaks STARTTLS is found by the proxy of the record. */
const directly: DnsResolver = {
  srv: (name) =>
    Promise.resolve(
      name.startsWith('_xmpps-server._tcp.direct-')
        ? { ok: true, value: [{ priority: 1, weight: 0, port: peer.directPort, target: '127.0.0.1' }] }
        : { ok: false, failure: { kind: 'none', detail: 'no such service here' } },
    ),
  addresses: (host) =>
    Promise.resolve(
      host === '127.0.0.1'
        ? { ok: true, value: [host] }
        : { ok: false, failure: { kind: 'none', detail: 'no such host here' } },
    ),
}
const policy = new EdgePolicy('a fresh secret')
const arrived = new Map<string, (context: StanzaContext) => void>()
let peer: MatrixPartner
let endpoint: XmppEndpoint
const ports: Record<Way, number> = { STARTTLS: 0, 'direct TLS': 0 }

beforeAll(async () => {
  const issuer = await makeAuthority('the authority')
  const known = new Map(CASES.map(({ way, row, can }) => [domainOf(way, row, can), can]))
  const theirs = await makeCertificate({ names: ['*.partners.example'], issuer })
  peer = await new MatrixPartner(theirs, (name) => known.get(name) ?? ALL).listen()
  const tls = TlsIdentity.of([{ domains: [SIP], ...(await makeCertificate({ names: [SIP], issuer })) }])
  const trust = await TrustStore.open({ kind: 'pem', pem: issuer.cert })
  if (!tls.ok || !trust.ok) throw new Error('the certificates are good')
  const partners = CASES.map(({ way, row, can }) =>
    partner(domainOf(way, row, can), {
      tlsNegotiation: row.tls,
      saslNegotiation: row.sasl,
      dialback: row.dialback,
      ...(way === 'STARTTLS' ? { proxy: { host: '127.0.0.1', port: peer.port } } : {}),
    }),
  )
  policy.replace(replicaOf({ partners }))
  endpoint = new XmppEndpoint({
    listen: ['127.0.0.1:0'],
    listenDirectTls: ['127.0.0.1:0'],
    tls: tls.value,
    clock: systemClock,
    timers: systemTimers,
    ids: cryptoIds,
    hashes: nodeHashes,
    log: silentLog,
    resolver: directly,
    policy,
    judgeCertificate: certificateJudge(trust.value, systemClock),
    on: {
      stanza: (stanza, context) => arrived.get(stanza.from.domain)?.(context),
      refused() {},
      streamUp() {},
      streamDown() {},
    },
  })
  const listening = await endpoint.listen()
  for (const [place, way] of WAYS.entries()) ports[way] = listening[place]?.port ?? 0
})
afterAll(async () => {
  await peer.close()
  await endpoint.close()
})

describe('we dial', () => {
  const expected = (...of: [Way, MatrixRow, Capabilities]): string => methodOf(...of) ?? failureWhenWeDial(...of)

  test.each(titled(expected))('%s, row %i, a partner with %s: %s', async (way, _row, _words, _expected, row, can) => {
    const name = domainOf(way, row, can)
    const method = methodOf(way, row, can)
    const remote = domain(name)
    const xml = `<message from='a@${SIP}' to='b@${name}' id='m1'><body>Hi</body></message>`
    const sent = await endpoint.send(domain(SIP), remote, xml, { maxWaitMs: 10_000 })
    const mine = endpoint.streams().filter((stream) => stream.remote === name)
    if (method === undefined) {
      expect(sent).toMatchObject({ kind: 'failed' })
      const failures = endpoint.failures().filter((failure) => failure.remote === name)
      if (row.verdict === 'invalid') {
        expect(sent).toMatchObject({ failure: { status: 403, detail: expect.stringContaining('negotiation') } })
        expect(mine).toEqual([])
      } else expect(failures.map(({ kind }) => kind)).toEqual([failureWhenWeDial(way, row, can)])
      expect(peer.heard.get(name)).toBeUndefined()
      expect(peer.wantedDirectly.has(name)).toBe(
        way === 'direct TLS' && row.verdict === 'valid' && !isOutOfPlace(way, row),
      )
    } else {
      expect(sent).toMatchObject({ kind: 'sent' })
      expect(mine.map(({ pairs }) => pairs)).toEqual([[{ local: SIP, remote: name, provenBy: PROOF[method] }]])
    }
  })

  test('every partner with a method has one stanza, and it came by that method', () => {
    const heard = Object.fromEntries(peer.heard)
    const wanted = CASES.flatMap(({ way, row, can }) => {
      const method = methodOf(way, row, can)
      return method === undefined ? [] : [[domainOf(way, row, can), [PROOF[method]]] as const]
    })
    expect(heard).toEqual(Object.fromEntries(wanted))
  })
})

/** The stanza that comes, if the stream is good for one. */
async function dialled(way: Way, name: string, from: string, insist?: Method) {
  const proof = new Promise<string>((resolve) => {
    arrived.set(name, ({ peer: { provenBy } }) => resolve(provenBy))
  })
  const ending = await peer.dial({ port: ports[way], from, directly: way === 'direct TLS' }, name, SIP, insist)
  return 'used' in ending ? { used: ending.used, counted: await proof } : ending
}

const addressOf = (way: Way, row: MatrixRow, number: number): string =>
  `127.${1 + WAYS.indexOf(way)}.${row.row}.${number + 1}`

describe('they dial', () => {
  const expected = (...of: [Way, MatrixRow, Capabilities]): string => methodOf(...of) ?? answerWhenTheyDial(...of)

  test.each(titled(expected))('%s, row %i, a partner with %s: %s', async (way, _row, _words, _expected, row, can) => {
    const method = methodOf(way, row, can)
    const ending = await dialled(way, domainOf(way, row, can), addressOf(way, row, CAPABILITIES.indexOf(can)))
    if (method === undefined) expect(ending).toEqual({ refused: answerWhenTheyDial(way, row, can) })
    else expect(ending).toEqual({ used: PROOF[method], counted: PROOF[method] })
  })

  const isTaken = (way: Way, row: MatrixRow, method: Method): boolean =>
    row.methods.includes(method) && !isOutOfPlace(way, row)

  /** Offered or not, preferred or not: the row alone decides what is taken. */
  test.each(
    WAYS.flatMap((way) =>
      NEGOTIATION_MATRIX.flatMap((row) =>
        METHODS.filter((method) => way === 'STARTTLS' || method !== 'dialback-over-tcp').map(
          (method) => [way, row.row, method, isTaken(way, row, method) ? 'taken' : 'refused', row] as const,
        ),
      ),
    ),
  )('%s, row %i, a partner that can everything and insists on %s: %s', async (way, _row, method, verdict, row) => {
    const from = addressOf(way, row, 100 + METHODS.indexOf(method))
    const ending = await dialled(way, domainOf(way, row, ALL), from, method)
    if (verdict === 'taken') expect(ending).toEqual({ used: PROOF[method], counted: PROOF[method] })
    else expect(ending).toEqual({ refused: expect.any(String) })
  })
})
