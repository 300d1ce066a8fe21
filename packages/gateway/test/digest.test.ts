import { createHash } from 'node:crypto'
import { VirtualTime, silentLog } from '@stox/kernel'
import { formatDigestChallenge, parseDigestAuthorization, parseDigestChallenges } from '@stox/sip'
import type { DigestAlgorithm, DigestHashes, SipHeaderEntry, SipRequest } from '@stox/sip'
import type { SipAuthentication, SipReply } from '@stox/transport'
import { AuthenticatingSender } from '../src/authenticating-sender.ts'
import type { SipCredentials } from '../src/authenticating-sender.ts'
import { DigestGuard } from '../src/digest-guard.ts'
import { countingIds, hashes as plainHashes, respondTo, sipMessage } from './stage.ts'

const md5Hex = (text: string): string => createHash('md5').update(text).digest('hex')
const hashes: DigestHashes & typeof plainHashes = { ...plainHashes, md5Hex }

const newGuard = (algorithms: readonly DigestAlgorithm[] = ['SHA-256', 'MD5'], domains: readonly string[] = []) => {
  const time = new VirtualTime()
  const users = [{ username: 'trunk', password: 'secret', domains }]
  const guard = new DigestGuard({
    ...{ realm: 'gateway', users, algorithms, hashes, clock: time },
    nonceLifeMs: 60_000,
    ids: countingIds(),
  })
  return { time, guard }
}

/** A sender whose server is the guard: what one says the other has to understand. */
function newPair(options: {
  readonly algorithms?: readonly DigestAlgorithm[]
  readonly credentials?: readonly Partial<SipCredentials>[]
  readonly domains?: readonly string[]
  readonly status?: 401 | 407
}) {
  const { time, guard } = newGuard(options.algorithms, options.domains)
  const seen: SipRequest[] = []
  const lines: string[] = []
  const credentials = (options.credentials ?? [{}]).map((one) => ({
    ...{ domain: 'capulet.example', username: 'trunk', password: 'secret' },
    ...one,
  }))
  const proxied = (answer: SipAuthentication & { kind: 'refused' }, request: SipRequest): SipReply => {
    const headers = answer.response.headers
      .all('WWW-Authenticate')
      .map((value): SipHeaderEntry => ['Proxy-Authenticate', value])
    return respondTo(request, 407, headers)
  }
  const asAuthorization = (request: SipRequest): SipRequest => ({
    ...request,
    headers: request.headers
      .all('Proxy-Authorization')
      .reduce((headers, value) => headers.append('Authorization', value), request.headers),
  })
  const sender = new AuthenticatingSender({
    sender: {
      send: async (request) => {
        seen.push(request)
        const verdict = guard.judge(options.status === 407 ? asAuthorization(request) : request)
        if (verdict.kind === 'accepted') return respondTo(request, 200)
        return options.status === 407 ? proxied(verdict, request) : { kind: 'response', response: verdict.response }
      },
    },
    ...{ credentials, hashes, ids: countingIds() },
    log: { ...silentLog, warn: (event, fields) => void lines.push(`${event} ${JSON.stringify(fields)}`) },
  })
  const send = (some: Parameters<typeof sipMessage>[0] = {}, domain = 'capulet.example'): Promise<SipReply> =>
    sender.send(sipMessage(some), 'sip:server', { domain })
  return { time, guard, seen, lines, send }
}

const statusOf = (reply: SipReply): number => (reply.kind === 'response' ? reply.response.status : 0)

describe('as client, RFC 3261 §22', () => {
  test.each<[string, readonly DigestAlgorithm[], 401 | 407]>([
    ['SHA-256 before MD5', ['MD5', 'SHA-256'], 401],
    ['MD5 when there is nothing else', ['MD5'], 401],
    ['a proxy’s challenge', ['SHA-256'], 407],
    ['SHA-256-sess', ['SHA-256-sess'], 401],
  ])('%s', async (_case, algorithms, status) => {
    const pair = newPair({ algorithms, status })
    expect(statusOf(await pair.send())).toBe(200)
    const field = status === 401 ? 'Authorization' : 'Proxy-Authorization'
    const given = parseDigestAuthorization(pair.seen[1]?.headers.get(field) ?? '')
    expect(given).toMatchObject({ ok: true, value: { algorithm: algorithms.find((one) => one !== 'MD5') ?? 'MD5' } })
  })

  test('§22.2: the same Call-ID and From tag, the next CSeq; later requests of the dialog count on from there', async () => {
    const pair = newPair({})
    await pair.send({ cseq: 7 })
    await pair.send({ cseq: 8 })
    expect(pair.seen.map(({ core }) => [core.callId, core.from.params.get('tag'), core.cseq.number])).toEqual(
      [7, 8, 9].map((cseq) => ['call-1', 'j1', cseq]),
    )
    expect(pair.seen.map(({ headers }) => headers.get('CSeq'))).toEqual(['7 MESSAGE', '8 MESSAGE', '9 MESSAGE'])
  })

  test('RFC 7616 §3.3: a nonce is used again, counted, until it is stale', async () => {
    const pair = newPair({})
    for (let at = 0; at < 3; at += 1) expect(statusOf(await pair.send({ callId: `c${at}` }))).toBe(200)
    pair.time.advance(61_000)
    expect(statusOf(await pair.send({ callId: 'late' }))).toBe(200)
    const counts = pair.seen.map((request) => {
      const read = parseDigestAuthorization(request.headers.get('Authorization') ?? '')
      return read.ok ? read.value.qop?.nc : undefined
    })
    expect(counts).toEqual([undefined, 1, 2, 3, 4, 1])
  })

  test('a wrong password is tried once and said in the log, which never sees it', async () => {
    const pair = newPair({ credentials: [{ password: 'wrong-one' }] })
    expect(statusOf(await pair.send())).toBe(401)
    expect(pair.seen).toHaveLength(2)
    expect(pair.lines).toEqual([expect.stringContaining('sip-credentials-refused')])
    expect(pair.lines.join()).not.toContain('wrong-one')
    expect(statusOf(await pair.send())).toBe(401)
  })

  test.each([
    ['of another realm', [{ realm: 'elsewhere' }], 'capulet.example', 1],
    ['of another domain', [{ domain: 'verona.example' }], 'capulet.example', 0],
    ['none at all', [], 'capulet.example', 0],
  ])('credentials %s are not given away', async (_case, credentials, domain, lines) => {
    const pair = newPair({ credentials })
    expect(statusOf(await pair.send({}, domain))).toBe(401)
    expect(pair.seen).toHaveLength(1)
    expect(pair.lines).toHaveLength(lines)
  })
})

describe('as server, RFC 3261 §22.1', () => {
  const challengesOf = (verdict: SipAuthentication) =>
    verdict.kind === 'refused' ? parseDigestChallenges(verdict.response.headers.all('WWW-Authenticate')) : []

  test('RFC 8760 §2.4: a challenge for each algorithm, the best on top', () => {
    const verdict = newGuard().guard.judge(sipMessage({}))
    expect(verdict).toMatchObject({ kind: 'refused', response: { status: 401 } })
    expect(challengesOf(verdict)).toMatchObject([
      { realm: 'gateway', algorithm: 'SHA-256', qop: 'auth', stale: false },
      { realm: 'gateway', algorithm: 'MD5', qop: 'auth', stale: false },
    ])
  })

  test('RFC 7616 §5.5: what was said once is not taken twice, but may be said again with a new nonce', async () => {
    const pair = newPair({})
    await pair.send()
    const replayed = pair.guard.judge(pair.seen[1]!)
    expect(challengesOf(replayed)[0]).toMatchObject({ stale: true })
  })

  test.each<[string, readonly string[], number]>([
    ['for its own domain', ['capulet.example'], 200],
    ['for any', [], 200],
    ['for another', ['verona.example'], 403],
  ])('an account may speak %s', async (_case, domains, status) => {
    expect(statusOf(await newPair({ domains }).send())).toBe(status)
  })

  test('a challenge that is no digest of ours is asked for anew', () => {
    const { guard } = newGuard()
    const value = formatDigestChallenge({ realm: 'gateway', nonce: 'n', algorithm: 'MD5', qop: 'auth', stale: false })
    const verdict = guard.judge(sipMessage({ headers: [['Authorization', value]] }))
    expect(verdict).toMatchObject({ kind: 'refused', response: { status: 401 } })
  })
})
