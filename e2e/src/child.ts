import { spawn, type ChildProcess } from 'node:child_process'
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { until } from './heard.ts'

/** The longest any process of a test may live, should the test die without ending it; the bench needs more. */
const lifetimeS = (): number => Number(process.env['STOX_E2E_LIFETIME_S'] ?? 900)

const living = new Set<Child>()
process.on('exit', () => living.forEach((child) => child.killNow()))

export interface ChildOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly logDir: string
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A process of its own group, its output in a log file, ended by its id and never outliving its time. */
export class Child {
  readonly name: string
  readonly logFile: string
  readonly exited: Promise<number | null>
  readonly #process: ChildProcess
  #ended = false

  constructor(options: ChildOptions) {
    this.name = options.name
    this.logFile = join(options.logDir, `${options.name}.log`)
    appendFileSync(this.logFile, `# ${new Date().toISOString()} ${options.command} ${options.args.join(' ')}\n`)
    const log = openSync(this.logFile, 'a')
    this.#process = spawn('timeout', ['--kill-after=15', String(lifetimeS()), options.command, ...options.args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      detached: true,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    living.add(this)
    this.exited = new Promise((resolve) => {
      this.#process.once('error', (error) => {
        appendFileSync(this.logFile, `# could not start: ${error.message}\n`)
        this.#over()
        resolve(null)
      })
      this.#process.once('exit', (code) => {
        this.#over()
        resolve(code)
      })
    })
  }

  get ended(): boolean {
    return this.#ended
  }

  /** The id of the process itself, below the one that bounds its life. */
  pid(): number {
    const guard = this.#process.pid ?? 0
    const [pid] = readFileSync(`/proc/${guard}/task/${guard}/children`, 'utf8').trim().split(' ')
    if (pid === undefined || pid === '') throw new Error(`${this.name} has no process`)
    return Number(pid)
  }

  logTail(lines = 15): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
  }

  async listening(host: string, port: number, timeoutMs = 20_000): Promise<void> {
    await this.ready(`${host}:${port}`, () => accepts(host, port), timeoutMs)
  }

  async ready(what: string, ask: () => Promise<boolean>, timeoutMs = 20_000): Promise<void> {
    await until(
      `${this.name} at ${what}`,
      async () => {
        if (this.#ended) return 'ended'
        return (await ask()) ? 'ready' : undefined
      },
      timeoutMs,
    ).then(
      (state) => {
        if (state === 'ended') throw new Error(`${this.name} ended at once:\n${this.logTail()}`)
        return state
      },
      (error: unknown) => {
        throw new Error(`${error instanceof Error ? error.message : String(error)}\n${this.logTail()}`)
      },
    )
  }

  /** Asks it to end, and kills it when it does not. */
  async stop(graceMs = 4000): Promise<void> {
    if (!this.#ended) this.#signal('SIGTERM')
    const overdue = setTimeout(() => this.killNow(), graceMs)
    await this.exited
    clearTimeout(overdue)
  }

  /** What a power cut would do. */
  async kill9(): Promise<void> {
    this.killNow()
    await this.exited
  }

  killNow(): void {
    if (!this.#ended) this.#signal('SIGKILL')
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#process
    if (pid === undefined) return
    try {
      process.kill(-pid, signal)
    } catch {
      // It ended by itself meanwhile.
    }
  }

  #over(): void {
    this.#ended = true
    living.delete(this)
  }
}

export function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1000, () => end(false))
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}
