import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface Peer {
  readonly packages: readonly string[]
  readonly path: string
}

/** What the plays need from Debian, and a file that shows it is there. */
const PEERS: readonly Peer[] = [
  { packages: ['prosody'], path: '/usr/bin/prosody' },
  { packages: ['lua-unbound'], path: 'lua/5.4/lunbound.so' },
  { packages: ['ejabberd'], path: '/usr/sbin/ejabberdctl' },
  { packages: ['kamailio'], path: '/usr/sbin/kamailio' },
  { packages: ['kamailio-presence-modules'], path: 'kamailio/modules/presence_xml.so' },
  { packages: ['kamailio-sqlite-modules'], path: 'kamailio/modules/db_sqlite.so' },
  { packages: ['kamailio-tls-modules'], path: 'kamailio/modules/tls.so' },
  { packages: ['baresip-core'], path: '/usr/bin/baresip' },
  { packages: ['sip-tester'], path: '/usr/bin/sipp' },
]

/** What the benchmark needs besides. */
export const BENCH_PEERS: readonly Peer[] = [
  ...PEERS,
  { packages: ['kamailio-xmpp-modules'], path: 'kamailio/modules/xmpp.so' },
]

/** While this says 101, Debian installs services without starting them. */
const SERVICE_POLICY = '/usr/sbin/policy-rc.d'

const isThere = (path: string): boolean =>
  path.startsWith('/')
    ? existsSync(path)
    : readdirSync('/usr/lib').some((arch) => existsSync(join('/usr/lib', arch, path)))

export const missingPeers = (peers = PEERS): readonly string[] =>
  peers.filter((peer) => !isThere(peer.path)).flatMap((peer) => peer.packages)

/**
 * Installs the missing peers from Debian when we may. Says why not otherwise: a failure on a CI machine, a reason to skip elsewhere.
 * The packages' own services are kept from starting.
 */
export function installPeers(say: (line: string) => void, peers = PEERS): readonly string[] {
  const missing = missingPeers(peers)
  if (missing.length === 0) return missing
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    const line = `real peers are needed: ${missing.join(', ')}: run as root on Debian, or install them by hand`
    if (process.env['CI'] === 'true') throw new Error(line)
    say(`${line}; skipped`)
    return missing
  }
  say(`installing from Debian: ${missing.join(' ')}`)
  apt('update', '-qq')
  const held = !existsSync(SERVICE_POLICY)
  if (held) writeFileSync(SERVICE_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    apt('install', '-y', '-qq', '--no-install-recommends', ...missing)
  } finally {
    if (held) rmSync(SERVICE_POLICY)
  }
  const still = missingPeers(peers)
  if (still.length > 0) throw new Error(`still missing after the installation: ${still.join(', ')}`)
  return still
}

function apt(...args: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  execFileSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'], timeout: 600_000 })
}
