import { join } from 'node:path'
import { Child } from './child.ts'
import { e2ePath } from './root.ts'
import { PORTS, SIP, type Stage } from './stage.ts'

/** What is left out: Romeo, at the users' address, plays one call by UDP with the gateway, and writes to Juliet. */
export interface SippOptions {
  /** Of its logs, where a scenario is played more than once. */
  readonly name?: string
  readonly target?: { readonly host: string; readonly port: number }
  readonly port?: number
  readonly transport?: 'udp' | 'tcp'
  readonly calls?: number
  readonly perSecond?: number
  readonly keys?: Readonly<Record<string, string>>
  /** A call that is not as written ends at once, and has failed: unless this is false. */
  readonly strict?: boolean
}

/** Its exit code is 0 when every call went as written. */
export interface SippEnd {
  readonly exitCode: number | null
  readonly log: string
}

/** Plays `sipp-SCENARIO.xml` to its end, one call after the other. */
export async function sipp({ at, dir }: Stage, scenario: string, more: SippOptions = {}): Promise<SippEnd> {
  const { name = `sipp-${scenario}`, port = PORTS.sip, transport = 'udp', calls = 1, perSecond = 50 } = more
  const { target = { host: at.gateway, port: PORTS.sip }, strict = true } = more
  const keys = { from: `romeo@${SIP}`, to: 'juliet@xmpp.example', user: 'romeo', text: 'sipp', ...more.keys }
  const args = [
    `${target.host}:${target.port}`,
    ...['-sf', e2ePath('conf', `sipp-${scenario}.xml`)],
    ...['-i', at.users, '-p', String(port), '-t', transport === 'udp' ? 'u1' : 't1'],
    ...['-m', String(calls), '-l', '1', '-r', String(perSecond)],
    ...['-timeout', '60s', '-timeout_error', '-nostdin'],
    ...['-trace_err', '-error_file', join(dir, `${name}-errors.log`)],
    ...(strict ? [] : ['-nd']),
    ...Object.entries(keys).flatMap(([key, value]) => ['-key', key, value]),
  ]
  const child = new Child({ name, command: 'sipp', args, logDir: dir, cwd: dir })
  const exitCode = await child.exited
  return { exitCode, log: child.logTail(60) }
}

/** Rejects with what SIPp says when a call did not go as written. */
export async function succeeds(played: Promise<SippEnd>): Promise<void> {
  const { exitCode, log } = await played
  if (exitCode !== 0) throw new Error(log)
}
