import { execFileSync } from 'node:child_process'
import { renameSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { sha256Of, type KeyPair } from '../src/certificates.ts'
import {
  domainOf,
  INTEROP_JOURNEYS,
  isRefused,
  isSameStream,
  PARTNERS,
  PEERS,
  STREAM_ROWS,
  VERSIONS,
  type Expected,
  type InteropJourney,
  type OurDomain,
  type PartnerName,
  type Peer,
  type StreamRow,
} from '../src/compatibility.ts'
import { until } from '../src/heard.ts'
import { HAS_IPV6, openInterop, OUR_DOMAINS, OUR_USER, serverOf, USER, type InteropScene } from '../src/interop.ts'
import { listsFailure, streamsOf, type Session } from '../src/sessions.ts'
import { statusOf } from '../src/sip-text.ts'
import { Stage } from '../src/stage.ts'
import type { XmppUser } from '../src/xmpp-user.ts'
import { describeWithPeers } from '../src/with-peers.ts'

const OPENS_WITHIN_MS = 120_000
const ACT_MS = 60_000
const JOURNEY_MS = 120_000
const HEARD_WITHIN_MS = 20_000

describeWithPeers('interop', () => {
  let stage: Stage | undefined
  let scene: InteropScene

  beforeAll(async () => {
    stage = await Stage.open('interop')
    scene = await openInterop(stage).catch((error: unknown) => {
      stage?.failed()
      throw error
    })
  }, OPENS_WITHIN_MS)
  afterAll(() => stage?.close(), OPENS_WITHIN_MS)

  const kept = async (act: () => Promise<void>): Promise<void> => {
    try {
      await act()
    } catch (error) {
      stage?.failed()
      throw error
    }
  }

  test('the versions are those that docs/compatibility.md names', () => {
    const here = Object.fromEntries(PEERS.map((peer) => [peer, upstreamVersionOf(peer.toLowerCase())]))
    if (process.env['CI'] === 'true') expect(here).toEqual(VERSIONS)
    else if (!isDeepStrictEqual(here, VERSIONS)) process.stdout.write(`interop: played with ${JSON.stringify(here)}\n`)
  })

  const canPlay = (row: StreamRow): boolean => HAS_IPV6 || row.ours !== 'v6'
  test.each(STREAM_ROWS.filter(canPlay))('$peer, $feature', (row) => kept(() => playRow(scene, row)), ACT_MS)

  const journeys: Readonly<Record<InteropJourney, (scene: InteropScene) => Promise<void>>> = {
    'our certificate renewed': renewOurs,
    'their certificate renewed': renewTheirs,
  }
  test.each(INTEROP_JOURNEYS)('$feature', ({ feature }) => kept(() => journeys[feature](scene)), JOURNEY_MS)
})

/** Of Debian's package: `0.12.3-1+deb12u1` is 0.12.3. */
const upstreamVersionOf = (name: string): string | undefined =>
  String(execFileSync('dpkg-query', ['-W', '-f', '${Version}', name])).split('-')[0]

async function login(scene: InteropScene, peer: Peer, partner: PartnerName): Promise<XmppUser> {
  return scene.stage.xmppUser(serverOf(scene, peer, partner), USER, { domain: domainOf(peer, partner) })
}

async function playRow(scene: InteropScene, row: StreamRow): Promise<void> {
  const juliet = await login(scene, row.peer, row.partner)
  try {
    const checks = [checkFromThem, checkToThem]
    for (const check of row.first === 'us' ? checks.toReversed() : checks) await check(scene, row, juliet)
  } finally {
    await juliet.stop()
  }
}

async function checkFromThem(scene: InteropScene, row: StreamRow, juliet: XmppUser): Promise<void> {
  const { fromThem } = row
  const sinceMs = Date.now()
  const text = `${row.feature}, from ${row.peer}`
  const id = juliet.message(`${OUR_USER}@${OUR_DOMAINS[row.ours]}`, text)
  if (isRefused(fromThem)) {
    const error = await juliet.hearsError(id, HEARD_WITHIN_MS)
    expect(error.condition).toMatch(/^remote-server-(?:timeout|not-found)$/)
  } else await scene.phones[row.ours].hears(text, HEARD_WITHIN_MS)
  await tellsOf(scene, row, 'inbound', fromThem, sinceMs)
}

async function checkToThem(scene: InteropScene, row: StreamRow, juliet: XmppUser): Promise<void> {
  const { toThem } = row
  const sinceMs = Date.now()
  const text = `${row.feature}, to ${row.peer}`
  const status = statusOf(await scene.phones[row.ours].message(`sip:${juliet.bare}`, text))
  if (isRefused(toThem)) expect(status).toBeGreaterThanOrEqual(400)
  else {
    expect(status).toBe(202)
    await juliet.hearsMessage(text, HEARD_WITHIN_MS)
  }
  await tellsOf(scene, row, 'outbound', toThem, sinceMs)
}

/** The session list says the same as the table: how the stream has proven itself, or why there is none. */
async function tellsOf(
  { pair }: InteropScene,
  row: StreamRow,
  direction: Session['direction'],
  expected: Expected,
  sinceMs: number,
): Promise<void> {
  const remoteDomain = domainOf(row.peer, row.partner)
  const local = OUR_DOMAINS[row.ours]
  const listed = async () => (await streamsOf(pair, remoteDomain, local)).filter((one) => one.direction === direction)
  if (!isRefused(expected) && !isSameStream(expected) && expected.streamManagement)
    await until('acknowledgements', async () => (await listed()).some((one) => one.streamManagement))
  const live = await listed()
  if (isRefused(expected)) {
    expect(live).toEqual([])
    const { says, cause } = expected
    const failed = await listsFailure(pair, sinceMs, { direction, remoteDomain, reason: says })
    expect(failed).toMatchObject({ localDomain: local, failure: { cause } })
    return
  }
  if (isSameStream(expected)) {
    expect(live).toEqual([])
    return
  }
  const { method, tls, streamManagement, bidirectional } = expected
  expect(live).toHaveLength(1)
  expect(live[0]).toMatchObject({ method, tls, streamManagement, bidirectional })
  const [theirs, ours] = [live[0]?.peerCertificate, live[0]?.ownCertificate]
  if (tls === null) expect([theirs, ours]).toEqual([null, null])
  else {
    expect(ours?.names).toEqual([local])
    expect(theirs?.issuer).toBe(`CN=${PARTNERS[row.partner].theirs === 'self-signed' ? theirs?.names[0] : 'public-ca'}`)
  }
}

/** A message each way, and the streams that carried them. */
async function talk(
  scene: InteropScene,
  juliet: XmppUser,
  ours: OurDomain,
): Promise<Record<Session['direction'], Session>> {
  const phone = scene.phones[ours]
  const text = `talk ${Math.random()}`
  juliet.message(`${OUR_USER}@${OUR_DOMAINS[ours]}`, text)
  await phone.hears(text, HEARD_WITHIN_MS)
  expect(statusOf(await phone.message(`sip:${juliet.bare}`, text))).toBe(202)
  await juliet.hearsMessage(text, HEARD_WITHIN_MS)
  const streams = await streamsOf(scene.pair, juliet.bare.split('@')[1] ?? '', OUR_DOMAINS[ours])
  const of = (direction: Session['direction']): Session => {
    const found = streams.filter((one) => one.direction === direction)
    expect(found).toHaveLength(1)
    return found[0] as Session
  }
  return { inbound: of('inbound'), outbound: of('outbound') }
}

const DIRECTIONS = ['inbound', 'outbound'] as const

/** The streams are the same as before, and have carried more. */
function staysUp(before: Record<Session['direction'], Session>, after: typeof before): void {
  for (const direction of DIRECTIONS) {
    const { id, since, ownCertificate, peerCertificate } = before[direction]
    expect(after[direction]).toMatchObject({ id, since, ownCertificate, peerCertificate })
  }
  expect(after.inbound.stanzasIn).toBeGreaterThan(before.inbound.stanzasIn)
  expect(after.outbound.stanzasOut).toBeGreaterThan(before.outbound.stanzasOut)
}

const moved = (from: KeyPair, to: KeyPair): void => {
  renameSync(from.key, to.key)
  renameSync(from.cert, to.cert)
}

async function renewOurs(scene: InteropScene): Promise<void> {
  const { pair, ca, ourKeys } = scene
  const [old, fresh] = [await peopleAt(scene, 'cert'), await peopleAt(scene, 'both')]
  const before = await Promise.all(old.map((juliet) => talk(scene, juliet, 'ca')))
  const renewed = await ca.issue('renewed', [OUR_DOMAINS.ca], { validDays: 9 })
  const [was, is] = [sha256Of(ourKeys.ca), sha256Of(renewed)]
  for (const streams of before)
    for (const direction of DIRECTIONS) expect(streams[direction].ownCertificate?.sha256).toBe(was)
  moved(renewed, ourKeys.ca)
  process.kill(pair.child('edge').pid(), 'SIGHUP')
  const left = () => pair.metric('edge', 'stox_certificate_expiry_seconds', { side: 'ours', domain: OUR_DOMAINS.ca })
  await until('the new certificate', async () => (await left()) > 8 * 86_400)
  for (const juliet of fresh) {
    const streams = await talk(scene, juliet, 'ca')
    for (const direction of DIRECTIONS) expect(streams[direction].ownCertificate?.sha256).toBe(is)
  }
  for (const [place, juliet] of old.entries()) staysUp(before[place]!, await talk(scene, juliet, 'ca'))
  await Promise.all([...old, ...fresh].map((juliet) => juliet.stop()))
}

async function renewTheirs(scene: InteropScene): Promise<void> {
  const people = await peopleAt(scene, 'cert')
  const before = await Promise.all(people.map((juliet) => talk(scene, juliet, 'ca')))
  for (const [place, peer] of PEERS.entries()) {
    const server = serverOf(scene, peer, 'cert')
    const keyPair = scene.theirKeys[peer]
    const renewed = await scene.ca.issue('renewed', scene.theirNames[peer], { validDays: 9 })
    const is = sha256Of(renewed)
    expect(before[place]?.inbound.peerCertificate?.sha256).toBe(sha256Of(keyPair))
    moved(renewed, keyPair)
    await server.reload()
    // A pair that has had no stream yet.
    const fresh = await talk(scene, people[place]!, 'direct')
    for (const direction of DIRECTIONS) expect(fresh[direction].peerCertificate?.sha256).toBe(is)
    staysUp(before[place]!, await talk(scene, people[place]!, 'ca'))
  }
  await Promise.all(people.map((juliet) => juliet.stop()))
}

const peopleAt = (scene: InteropScene, partner: PartnerName): Promise<readonly XmppUser[]> =>
  Promise.all(PEERS.map((peer) => login(scene, peer, partner)))
