import { join } from 'node:path'
import { Child } from './child.ts'
import { e2ePath } from './root.ts'

export interface SippRun {
  readonly name: string
  readonly scenario: string
  readonly target: { readonly host: string; readonly port: number }
  readonly address: string
  readonly port: number
  readonly transport: 'udp' | 'tcp'
  readonly calls: number
  /** Calls under way at once. */
  readonly atOnce: number
  readonly perSecond: number
  readonly keys: Readonly<Record<string, string>>
  readonly dir: string
  /** A call that is not as written ends at once, and has failed. */
  readonly strict?: boolean
}

/** Plays a SIPp scenario to its end; its exit code is 0 when every call went as written. */
export async function sipp(run: SippRun): Promise<{ readonly exitCode: number | null; readonly log: string }> {
  const args = [
    `${run.target.host}:${run.target.port}`,
    '-sf',
    e2ePath('conf', run.scenario),
    '-i',
    run.address,
    '-p',
    String(run.port),
    '-t',
    run.transport === 'udp' ? 'u1' : 't1',
    '-m',
    String(run.calls),
    '-l',
    String(run.atOnce),
    '-r',
    String(run.perSecond),
    '-timeout',
    '60s',
    '-timeout_error',
    '-nostdin',
    '-trace_err',
    '-error_file',
    join(run.dir, `${run.name}-errors.log`),
    ...(run.strict === true ? [] : ['-nd']),
    ...Object.entries(run.keys).flatMap(([name, value]) => ['-key', name, value]),
  ]
  const child = new Child({ name: run.name, command: 'sipp', args, logDir: run.dir, cwd: run.dir })
  const exitCode = await child.exited
  return { exitCode, log: child.logTail(60) }
}
