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
 * is dialled. What is expected is derived from the table and from mapping F.2 and F.3, not from the code.
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
const ALL: Capabilities = { tls: true, sasl: true, dialback: true }

const wordsOf = ({ tls, sasl, dialback }: Capabilities): string =>
  [tls && 'TLS', sasl && 'SASL', dialback && 'dialback'].filter((word) => word !== false).join(', ') || 'nothing'
const domainOf = (row: MatrixRow, { tls, sasl, dialback }: Capabilities): string =>
  `row${row.row}-${[tls, sasl, dialback].map(Number).join('')}.partners.example`

/** The first method of the row that the partner has: SASL needs TLS, dialback needs no more than itself. */
function methodOf(row: MatrixRow, can: Capabilities): Method | undefined {
  const has: Readonly<Record<Method, boolean>> = {
    'sasl-external-over-tls': can.tls && can.sasl,
    'dialback-over-tls': can.tls && can.dialback,
    'dialback-over-tcp': can.dialback,
  }
  return row.methods.find((method) => has[method])
}

const isEncrypted = (row: MatrixRow, can: Capabilities): boolean => can.tls && row.tls !== 'notSupported'

/** What the record of the failure says when we dial and nothing fits. @see mapping F.2 */
function failureWhenWeDial(row: MatrixRow, can: Capabilities): string {
  if (row.verdict === 'invalid') return 'not-allowed'
  // Asked for without having been offered, since the offer may have been stripped. @see RFC 7590 §3.1
  if (row.tls === 'required' && !can.tls) return 'tls-failed'
  // Dialback is tried without an offer, which is advisory; this partner means what it says.
  const dialback: Method = isEncrypted(row, can) ? 'dialback-over-tls' : 'dialback-over-tcp'
  return row.methods.includes(dialback) ? 'peer-error' : 'no-method'
}

/** What a partner hears that has nothing of what we offer, and tries the best it has. @see mapping F.3, F.5 */
function answerWhenTheyDial(row: MatrixRow, can: Capabilities): string {
  if (row.verdict === 'invalid') return 'stream policy-violation'
  const encrypted = isEncrypted(row, can)
  if (can.sasl) return encrypted ? 'sasl not-authorized' : 'sasl encryption-required'
  if (!can.dialback) return 'stream not-authorized'
  const onlyTlsIsMissing = !encrypted && row.methods.includes('dialback-over-tls')
  return onlyTlsIsMissing ? 'dialback policy-violation' : 'dialback not-authorized'
}

const CASES = NEGOTIATION_MATRIX.flatMap((row) => CAPABILITIES.map((can) => ({ row, can })))
const titled = (expected: (row: MatrixRow, can: Capabilities) => string) =>
  CASES.map(({ row, can }) => [row.row, wordsOf(can), expected(row, can), row, can] as const)

const nowhere: DnsResolver = {
  srv: () => Promise.resolve({ ok: false, failure: { kind: 'none', detail: 'no DNS here' } }),
  addresses: (host) => Promise.resolve({ ok: true, value: [host] }),
}
const policy = new EdgePolicy('a fresh secret')
const arrived = new Map<string, (context: StanzaContext) => void>()
let peer: MatrixPartner
let endpoint: XmppEndpoint
let port = 0

beforeAll(async () => {
  const issuer = await makeAuthority('the authority')
  const known = new Map(CASES.map(({ row, can }) => [domainOf(row, can), can]))
  const theirs = await makeCertificate({ names: ['*.partners.example'], issuer })
  peer = await new MatrixPartner(theirs, (name) => known.get(name) ?? ALL).listen()
  const tls = TlsIdentity.of([{ domains: [SIP], ...(await makeCertificate({ names: [SIP], issuer })) }])
  const trust = await TrustStore.open({ kind: 'pem', pem: issuer.cert })
  if (!tls.ok || !trust.ok) throw new Error('the certificates are good')
  const partners = CASES.map(({ row, can }) =>
    partner(domainOf(row, can), {
      tlsNegotiation: row.tls,
      saslNegotiation: row.sasl,
      dialback: row.dialback,
      proxy: { host: '127.0.0.1', port: peer.port },
    }),
  )
  policy.replace(replicaOf({ partners }))
  endpoint = new XmppEndpoint({
    listen: ['127.0.0.1:0'],
    tls: tls.value,
    clock: systemClock,
    timers: systemTimers,
    ids: cryptoIds,
    hashes: nodeHashes,
    log: silentLog,
    resolver: nowhere,
    policy,
    judgeCertificate: certificateJudge(trust.value, systemClock),
    on: {
      stanza: (stanza, context) => arrived.get(stanza.from.domain)?.(context),
      refused() {},
      streamUp() {},
      streamDown() {},
    },
  })
  port = (await endpoint.listen())[0]?.port ?? 0
})
afterAll(async () => {
  await peer.close()
  await endpoint.close()
})

describe('we dial', () => {
  const expected = (row: MatrixRow, can: Capabilities): string => methodOf(row, can) ?? failureWhenWeDial(row, can)

  test.each(titled(expected))('row %i, a partner with %s: %s', async (_row, _words, _expected, row, can) => {
    const name = domainOf(row, can)
    const method = methodOf(row, can)
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
      } else expect(failures.map(({ kind }) => kind)).toEqual([failureWhenWeDial(row, can)])
      expect(peer.heard.get(name)).toBeUndefined()
    } else {
      expect(sent).toMatchObject({ kind: 'sent' })
      expect(mine.map(({ pairs }) => pairs)).toEqual([[{ local: SIP, remote: name, provenBy: PROOF[method] }]])
    }
  })

  test('every partner with a method has one stanza, and it came by that method', () => {
    const heard = Object.fromEntries(peer.heard)
    const wanted = CASES.flatMap(({ row, can }) => {
      const method = methodOf(row, can)
      return method === undefined ? [] : [[domainOf(row, can), [PROOF[method]]] as const]
    })
    expect(heard).toEqual(Object.fromEntries(wanted))
  })
})

/** The stanza that comes, if the stream is good for one. */
async function dialled(name: string, from: string, insist?: Method) {
  const proof = new Promise<string>((resolve) => {
    arrived.set(name, ({ peer: { provenBy } }) => resolve(provenBy))
  })
  const ending = await peer.dial({ port, from }, name, SIP, insist)
  return 'used' in ending ? { used: ending.used, counted: await proof } : ending
}

const addressOf = (row: MatrixRow, number: number): string => `127.1.${row.row}.${number + 1}`

describe('they dial', () => {
  const expected = (row: MatrixRow, can: Capabilities): string => methodOf(row, can) ?? answerWhenTheyDial(row, can)

  test.each(titled(expected))('row %i, a partner with %s: %s', async (_row, _words, _expected, row, can) => {
    const method = methodOf(row, can)
    const ending = await dialled(domainOf(row, can), addressOf(row, CAPABILITIES.indexOf(can)))
    if (method === undefined) expect(ending).toEqual({ refused: answerWhenTheyDial(row, can) })
    else expect(ending).toEqual({ used: PROOF[method], counted: PROOF[method] })
  })

  /** Offered or not, preferred or not: the row alone decides what is taken. */
  test.each(
    NEGOTIATION_MATRIX.flatMap((row) =>
      METHODS.map((method) => [row.row, method, row.methods.includes(method) ? 'taken' : 'refused', row] as const),
    ),
  )('row %i, a partner that can everything and insists on %s: %s', async (_row, method, verdict, row) => {
    const ending = await dialled(domainOf(row, ALL), addressOf(row, 100 + METHODS.indexOf(method)), method)
    if (verdict === 'taken') expect(ending).toEqual({ used: PROOF[method], counted: PROOF[method] })
    else expect(ending).toEqual({ refused: expect.any(String) })
  })
})
