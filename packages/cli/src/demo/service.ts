import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'

/** A service in a process of its own, its log in a file. */
export class Service {
  readonly name: string
  readonly logFile: string
  readonly #child: ChildProcess
  readonly #ended: Promise<number>
  #alive = true

  /** `env`: what it gets beside ours. */
  constructor(
    name: string,
    main: string,
    args: readonly string[],
    logFile: string,
    env: Readonly<Record<string, string>> = {},
  ) {
    this.name = name
    this.logFile = logFile
    const log = openSync(logFile, 'w', 0o600)
    this.#child = spawn(process.execPath, [...process.execArgv, main, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', () => resolve(127))
      this.#child.once('exit', (code) => resolve(code ?? 1))
    }).then((code) => {
      this.#alive = false
      return code as number
    })
  }

  /** Resolves when `url` answers 200; rejects with the log's end when the process ends first or time runs out. */
  async ready(url: string, withinMs: number): Promise<void> {
    const giveUpAt = performance.now() + withinMs
    while (this.#alive && performance.now() < giveUpAt) {
      const response = await fetch(url).catch(() => undefined)
      if (response?.ok === true) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const state = this.#alive ? 'is not ready' : 'has ended'
    throw new Error(`the ${this.name} ${state}; the end of ${this.logFile}:\n${this.#lastLines(10)}`)
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8')
  }

  /** Resolves with the exit code whenever the process ends. */
  get ended(): Promise<number> {
    return this.#ended
  }

  async stop(): Promise<void> {
    if (!this.#alive) return
    this.#child.kill('SIGTERM')
    const force = setTimeout(() => this.#child.kill('SIGKILL'), 12_000)
    await this.#ended
    clearTimeout(force)
  }

  #lastLines(count: number): string {
    return this.log().trimEnd().split('\n').slice(-count).join('\n')
  }
}

/** Free ports on loopback; `preferred` first when it is free. */
export async function freePorts(count: number, preferred?: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      if (index === 0 && preferred !== undefined) return listenOn(preferred).catch(() => listenOn(0))
      return listenOn(0)
    }),
  )
  const ports = servers.map((server) => {
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('a listening socket without a port')
    return address.port
  })
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

async function listenOn(port: number) {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return server
}
