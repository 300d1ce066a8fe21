import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { BENCH_PEERS, missingPeers } from '../src/peers.ts'
import { e2ePath, repositoryRoot, sourceEnv } from '../src/root.ts'

/** That the bench still runs and says all that it promises; how fast anything is, is no business of a test. */
const WITHIN_MS = 280_000

/** Of the JSON, as the issues and docs/performance.md name it. */
const SOLID: readonly string[] = [
  'edge.stanzasPerSecond',
  'edge.cpuMsPer1000',
  'edge.idleStreamKiB',
  'edge.handshakesPerSecond',
  'edge.xmppToLink.perSecond',
  'edge.linkToXmpp.perSecond',
  'edge.streams.heldStreams',
  'messages.xmppToSip.perSecond',
  'messages.xmppToSip.p99Ms',
  'messages.sipToXmpp.perSecond',
  'messages.sipToXmpp.cpuMsPer1000',
  'presence.notifyPerSecond',
  'presence.fanOutPerSecond',
  'presence.stanzasPerSecond',
  'presence.subscriptionKiB',
  'presence.knownAfterS',
]
const SOLID_WITH_PEERS: readonly string[] = [
  'peers.prosody.cpuMsPer1000',
  'peers.prosody.edgeCpuRatio',
  'peers.kamailioProsody.xmppToSip.perSecond',
  'peers.kamailioProsody.xmppToSip.cpuMsPer1000',
  'peers.kamailioProsody.sipToXmpp.perSecond',
  'peers.kamailioProsody.sipToXmpp.p99Ms',
]
const NOTHING_LOST: readonly string[] = [
  'edge.xmppToLink.lost',
  'edge.linkToXmpp.lost',
  'edge.streams.lost',
  'messages.xmppToSip.lost',
  'messages.sipToXmpp.lost',
  'messages.sipToXmpp.failed',
  'presence.lost',
  'presence.fanOutLost',
  'presence.stanzasLost',
  'presence.untold',
]

const at = (json: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((one, key) => (one as Readonly<Record<string, unknown>> | undefined)?.[key], json)

test(
  'one short run of every part of the bench',
  async () => {
    const missing = missingPeers(BENCH_PEERS)
    const hasPeers = missing.length === 0
    if (!hasPeers && process.env['CI'] === 'true') throw new Error(`the bench: not without ${missing.join(', ')}`)
    const parts = ['edge', 'messages', 'presence', ...(hasPeers ? ['prosody', 'kamailioProsody'] : [])]
    const args = [
      '--conditions=stox-source',
      e2ePath('bench', 'main.ts'),
      '--quick',
      '--json',
      '--only',
      parts.join(','),
    ]
    const env = { ...process.env, ...sourceEnv() }
    const { stdout } = await promisify(execFile)(process.execPath, args, { env, cwd: repositoryRoot() })
    const result: unknown = JSON.parse(stdout)
    expect(at(result, 'failed')).toBeUndefined()
    for (const path of [...SOLID, ...(hasPeers ? SOLID_WITH_PEERS : [])])
      expect([path, at(result, path)]).toEqual([path, expect.any(Number)])
    for (const path of NOTHING_LOST) expect([path, at(result, path)]).toEqual([path, 0])
  },
  WITHIN_MS,
)
