import { createSocket, type Socket as Datagrams } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { nobody, PEOPLE, seqIn, textOf, type LoadEnd, type LoadListener } from './load-end.ts'

export interface SipLoadOptions {
  readonly transport: 'udp' | 'tcp'
  readonly address: string
  readonly port: number
  readonly domain: string
  /** Where to send, and for which domain. */
  readonly target: { readonly host: string; readonly port: number }
  readonly remote: string
  /** What is sent as number `seq`; left out: a MESSAGE. Its Call-ID and branch are `id`, or the answer is not known again. */
  readonly request?: (seq: number, id: string) => string
}

const SOCKET_BYTES = 4 * 1024 * 1024
/** @see RFC 3261 §17.1.2.2, timer E */
const T1_MS = 500
const COPIED: ReadonlySet<string> = new Set([
  'via:',
  'v:',
  'from:',
  'f:',
  'to:',
  't:',
  'call-id:',
  'i:',
  'cseq:',
  'record-route:',
])

/** A SIP server as far as load goes: answers every MESSAGE and NOTIFY with 200, and sends its own with retransmission over UDP. */
export class SipLoad implements LoadEnd {
  listener: LoadListener = nobody
  /** What is sent back to a request that is neither MESSAGE nor NOTIFY, answer and all; by UDP. */
  other: (head: string) => readonly string[] = () => []
  retransmitted = 0
  readonly #options: SipLoadOptions
  readonly #run = Math.random().toString(36).slice(2, 8)
  readonly #datagrams: Datagrams | undefined
  readonly #server: Server | undefined
  readonly #connections = new Set<Socket>()
  readonly #unanswered = new Map<number, { readonly bytes: Buffer; atMs: number; times: number }>()
  readonly #resending: NodeJS.Timeout
  #socket: Socket | undefined
  #noted: string[] = []

  constructor(options: SipLoadOptions) {
    this.#options = options
    this.#resending = setInterval(() => this.#resend(), T1_MS / 5)
    if (options.transport === 'udp') {
      const socket = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) })
      socket.on('message', (bytes, peer) => {
        const text = bytes.toString('latin1')
        const answer = this.#take(text)
        if (answer === undefined && !text.startsWith('SIP/2.0 '))
          for (const one of this.other(text)) socket.send(Buffer.from(one, 'latin1'), peer.port, peer.address)
        if (answer !== undefined) socket.send(Buffer.from(answer, 'latin1'), peer.port, peer.address)
      })
      this.#datagrams = socket
    } else {
      this.#server = createServer((socket) => this.#read(socket))
    }
  }

  async start(): Promise<this> {
    const { address, port } = this.#options
    if (this.#datagrams !== undefined) {
      const listening = once(this.#datagrams, 'listening')
      this.#datagrams.bind(port, address)
      await listening
      this.#datagrams.setRecvBufferSize(SOCKET_BYTES)
      this.#datagrams.setSendBufferSize(SOCKET_BYTES)
    }
    if (this.#server !== undefined) {
      this.#server.listen(port, address)
      await once(this.#server, 'listening')
    }
    return this
  }

  async connect(): Promise<void> {
    if (this.#options.transport === 'udp') return
    const { host, port } = this.#options.target
    const socket = connect({ host, port, localAddress: this.#options.address })
    await once(socket, 'connect')
    this.#read(socket)
    this.#socket = socket
  }

  /** `again`: it was refused so often. */
  send(seq: number, again = 0): void {
    const id = again === 0 ? `${this.#run}-${seq}` : `${this.#run}-${seq}.${again}`
    const text = this.#options.request?.(seq, id) ?? this.#message(seq, id)
    this.#noted.push(text)
    if (this.#options.transport === 'udp')
      this.#unanswered.set(seq, { bytes: Buffer.from(text, 'latin1'), atMs: performance.now(), times: 0 })
  }

  /** Without a number: nobody waits for its answer. */
  post(text: string): void {
    this.#noted.push(text)
  }

  #message(seq: number, id: string): string {
    const { transport, address, port, domain, remote } = this.#options
    const person = seq % PEOPLE
    const to = `sip:u${person}@${remote}`
    const text = textOf(seq)
    return (
      `MESSAGE ${to} SIP/2.0\r\nVia: SIP/2.0/${transport.toUpperCase()} ${address}:${port};branch=z9hG4bK${id}\r\nMax-Forwards: 70\r\n` +
      `From: <sip:s${person}@${domain}>;tag=${id}\r\nTo: <${to}>\r\nCall-ID: ${id}\r\nCSeq: 1 MESSAGE\r\n` +
      `Content-Type: text/plain\r\nContent-Length: ${text.length}\r\n\r\n${text}`
    )
  }

  flush(): void {
    if (this.#noted.length === 0) return
    const { host, port } = this.#options.target
    if (this.#datagrams !== undefined)
      for (const text of this.#noted) this.#datagrams.send(Buffer.from(text, 'latin1'), port, host)
    else this.#socket?.write(this.#noted.join(''), 'latin1')
    this.#noted = []
  }

  async close(): Promise<void> {
    clearInterval(this.#resending)
    this.#connections.forEach((socket) => socket.destroy())
    if (this.#datagrams !== undefined) await new Promise<void>((resolve) => this.#datagrams?.close(() => resolve()))
    if (this.#server !== undefined) await new Promise<void>((resolve) => this.#server?.close(() => resolve()))
  }

  /** In the order of sending, so that it looks at few of them. */
  #resend(): void {
    const nowMs = performance.now()
    for (const entry of this.#unanswered.values()) {
      if (nowMs - entry.atMs < T1_MS) break
      if (nowMs - entry.atMs < T1_MS * 2 ** entry.times) continue
      entry.times += 1
      this.retransmitted += 1
      this.#datagrams?.send(entry.bytes, this.#options.target.port, this.#options.target.host)
    }
  }

  /** Gives the answer to a request; takes note of a response. */
  #take(text: string): string | undefined {
    if (text.startsWith('SIP/2.0 ')) {
      const status = Number(text.slice(8, 11))
      const at = text.indexOf(`Call-ID: ${this.#run}-`)
      if (status < 200 || at < 0) return undefined
      const start = at + 10 + this.#run.length
      const seq = Math.trunc(Number(text.slice(start, text.indexOf('\r\n', start))))
      this.#unanswered.delete(seq)
      if (status < 300) this.listener.accepted(seq)
      else this.listener.failed(seq, text.slice(8, text.indexOf('\r\n')), retryAfterOf(text))
      return undefined
    }
    if (!text.startsWith('MESSAGE ') && !text.startsWith('NOTIFY ')) return undefined
    const end = text.indexOf('\r\n\r\n')
    const seq = seqIn(text, end)
    if (seq >= 0) this.listener.arrived(seq)
    return answerTo(text.slice(0, end))
  }

  #read(socket: Socket): void {
    this.#connections.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#connections.delete(socket))
    let pending = ''
    socket.on('data', (chunk) => {
      pending += chunk.toString('latin1')
      let answers = ''
      for (;;) {
        const end = pending.indexOf('\r\n\r\n')
        if (end < 0) break
        const length = /\r\n(?:content-length|l)[ \t]*:[ \t]*(\d+)/i.exec(pending.slice(0, end))
        const size = end + 4 + Number(length?.[1] ?? 0)
        if (pending.length < size) break
        answers += this.#take(pending.slice(0, size).trimStart()) ?? ''
        pending = pending.slice(size)
      }
      if (answers !== '') socket.write(answers, 'latin1')
    })
  }
}

function retryAfterOf(text: string): number | undefined {
  const seconds = /\r\nRetry-After: (\d+)/.exec(text)?.[1]
  return seconds === undefined ? undefined : Number(seconds)
}

function answerTo(head: string): string {
  let answer = 'SIP/2.0 200 OK\r\n'
  for (const line of head.split('\r\n')) {
    const name = line.slice(0, line.indexOf(':') + 1).toLowerCase()
    if (!COPIED.has(name)) continue
    // Within a dialog the tag is there.
    const needsTag = (name === 'to:' || name === 't:') && !line.includes(';tag=')
    answer += needsTag ? `${line};tag=load\r\n` : `${line}\r\n`
  }
  return `${answer}Content-Length: 0\r\n\r\n`
}
