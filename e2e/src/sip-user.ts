import { randomBytes } from 'node:crypto'
import { createSocket, type Socket as Datagrams } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { Heard } from './heard.ts'
import { headerOf, methodOf, paramOf, readSip, SipCutter, statusOf, uriOf, writeSip, type SipText } from './sip-text.ts'

const T1_MS = 500
const T2_MS = 4000
const FINAL_WITHIN_MS = 32_000

export interface SipUserOptions {
  readonly user: string
  readonly domain: string
  readonly address: string
  readonly port: number
  readonly proxy: { readonly host: string; readonly port: number }
  readonly transport: 'udp' | 'tcp'
}

export interface Answer {
  readonly status: number
  readonly reason: string
}

/** A request that came in, and what it says. */
export interface Incoming {
  readonly method: string
  readonly from: string
  readonly text: SipText
  readonly body: string
  readonly callId: string
  readonly atMs: number
}

type Header = readonly [string, string]
type Reply = (bytes: Buffer) => void

const token = (): string => randomBytes(8).toString('hex')

/** A person on a SIP server: registers, writes, publishes, watches; over UDP with retransmission, or over TCP. */
export class SipUser {
  readonly aor: string
  readonly heard: Heard<Incoming>
  /** How a MESSAGE is answered; undefined is silence. */
  answer: (request: Incoming) => Answer | undefined = () => ({ status: 200, reason: 'OK' })
  readonly #options: SipUserOptions
  readonly #datagrams: Datagrams = createSocket('udp4')
  readonly #server: Server
  readonly #connections = new Set<Socket>()
  readonly #waiting = new Map<string, (response: SipText) => void>()
  readonly #answered = new Map<string, Buffer | undefined>()
  readonly #watches = new Map<string, Watch>()
  readonly #tag = token()
  #toProxy: Socket | undefined
  #publication: string | undefined
  #cseq = 0

  constructor(options: SipUserOptions) {
    this.#options = options
    this.aor = `sip:${options.user}@${options.domain}`
    this.heard = new Heard(this.aor, (incoming) => `${incoming.text.start} from ${incoming.from}: ${incoming.body}`)
    this.#datagrams.on('message', (bytes, peer) =>
      this.#take(bytes, (out) => this.#datagrams.send(out, peer.port, peer.address)),
    )
    this.#server = createServer((socket) => this.#read(socket))
  }

  get contact(): string {
    const { user, address, port, transport } = this.#options
    return `sip:${user}@${address}:${port};transport=${transport}`
  }

  /** Where who sends to it without a server between them sends to. */
  get route(): string {
    const { address, port, transport } = this.#options
    return `sip:${address}:${port};transport=${transport}`
  }

  /** Opens its sockets and registers with its server. */
  async start({ register = true } = {}): Promise<this> {
    const { address, port } = this.#options
    this.#datagrams.bind(port, address)
    await once(this.#datagrams, 'listening')
    this.#server.listen(port, address)
    await once(this.#server, 'listening')
    if (register) await this.register()
    return this
  }

  async stop(): Promise<void> {
    this.#connections.forEach((socket) => socket.destroy())
    await Promise.all([
      new Promise<void>((resolve) => this.#datagrams.close(() => resolve())),
      new Promise<void>((resolve) => this.#server.close(() => resolve())),
    ])
  }

  async register(expiresS = 3600): Promise<void> {
    const headers: Header[] = [
      ['Contact', `<${this.contact}>`],
      ['Expires', String(expiresS)],
    ]
    const answer = await this.request('REGISTER', `sip:${this.#options.domain}`, { to: this.aor, headers })
    if (statusOf(answer) !== 200) throw new Error(`${this.aor} could not register: ${answer.start}`)
  }

  /** Writes to somebody and gives the final response. */
  message(to: string, text: string | Buffer, headers: readonly Header[] = []): Promise<SipText> {
    return this.request('MESSAGE', to, {
      headers: [['Content-Type', 'text/plain;charset=UTF-8'], ...headers],
      body: text,
    })
  }

  /** Says how it is: a presence document with one tuple. @see RFC 3903 */
  async publish(now: { basic: 'open' | 'closed'; activity?: string; note?: string; tuple?: string }): Promise<SipText> {
    const activity = now.activity === undefined ? '' : `<rpid:activities><rpid:${now.activity}/></rpid:activities>`
    const note = now.note === undefined ? '' : `<note xml:lang="en">${now.note}</note>`
    const body =
      '<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf" ' +
      'xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" ' +
      `entity="${this.aor}"><tuple id="${now.tuple ?? 'desk'}"><status><basic>${now.basic}</basic></status>` +
      `<contact>${this.aor}</contact>${note}</tuple><dm:person id="p1">${activity}</dm:person></presence>`
    const headers: Header[] = [
      ['Event', 'presence'],
      ['Expires', '3600'],
      ['Content-Type', 'application/pidf+xml'],
    ]
    if (this.#publication !== undefined) headers.push(['SIP-If-Match', this.#publication])
    const answer = await this.request('PUBLISH', this.aor, { to: this.aor, headers, body })
    this.#publication = headerOf(answer, 'SIP-ETag')
    return answer
  }

  /** Asks to see somebody's presence. @see RFC 3856 */
  async watch(presentity: string, expiresS = 3600): Promise<Watch> {
    const watch = new Watch(this, presentity, this.contact)
    this.#watches.set(watch.callId, watch)
    await watch.subscribe(expiresS)
    return watch
  }

  /** Sends a request to the proxy and waits for its final response. */
  async request(
    method: string,
    uri: string,
    more: {
      to?: string
      toTag?: string | undefined
      fromTag?: string
      /** How the sender is called. */
      name?: string
      callId?: string
      cseq?: number
      headers?: readonly Header[]
      body?: string | Buffer
    } = {},
  ): Promise<SipText> {
    const { address, port, transport } = this.#options
    const branch = `z9hG4bK${token()}`
    const toTag = more.toTag === undefined ? '' : `;tag=${more.toTag}`
    const name = more.name === undefined ? '' : `"${more.name}" `
    const bytes = writeSip(
      `${method} ${uri} SIP/2.0`,
      [
        ['Via', `SIP/2.0/${transport.toUpperCase()} ${address}:${port};branch=${branch}`],
        ['Max-Forwards', '70'],
        ['From', `${name}<${this.aor}>;tag=${more.fromTag ?? this.#tag}`],
        ['To', `<${more.to ?? uri}>${toTag}`],
        ['Call-ID', more.callId ?? token()],
        ['CSeq', `${more.cseq ?? (this.#cseq += 1)} ${method}`],
        ...(more.headers ?? []),
      ],
      more.body,
    )
    const final = new Promise<SipText>((resolve) => {
      this.#waiting.set(branch, (response) => {
        if (statusOf(response) < 200) return
        this.#waiting.delete(branch)
        resolve(response)
      })
    })
    await this.#send(bytes)
    const resend = transport === 'udp' ? this.#resend(branch, bytes) : undefined
    let overdue: NodeJS.Timeout | undefined
    const timeout = new Promise<never>((_resolve, reject) => {
      overdue = setTimeout(() => {
        this.#waiting.delete(branch)
        reject(new Error(`${this.aor} had no final response to ${method} ${uri} within ${FINAL_WITHIN_MS} ms`))
      }, FINAL_WITHIN_MS)
    })
    try {
      return await Promise.race([final, timeout])
    } finally {
      clearTimeout(overdue)
      resend?.()
    }
  }

  /** Retransmits until answered. @see RFC 3261 §17.1.2.2, timer E */
  #resend(branch: string, bytes: Buffer): () => void {
    let afterMs = T1_MS
    let timer: NodeJS.Timeout | undefined
    const again = (): void => {
      if (!this.#waiting.has(branch)) return
      void this.#send(bytes)
      afterMs = Math.min(afterMs * 2, T2_MS)
      timer = setTimeout(again, afterMs)
    }
    timer = setTimeout(again, afterMs)
    return () => clearTimeout(timer)
  }

  async #send(bytes: Buffer): Promise<void> {
    const { address, proxy, transport } = this.#options
    if (transport === 'udp') {
      this.#datagrams.send(bytes, proxy.port, proxy.host)
      return
    }
    if (this.#toProxy === undefined || this.#toProxy.destroyed) {
      const socket = connect({ host: proxy.host, port: proxy.port, localAddress: address })
      this.#toProxy = socket
      this.#read(socket)
      await once(socket, 'connect')
    }
    this.#toProxy.write(bytes)
  }

  #read(socket: Socket): void {
    const cutter = new SipCutter()
    this.#connections.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#connections.delete(socket))
    socket.on('data', (chunk) => cutter.push(chunk).forEach((bytes) => this.#take(bytes, (out) => socket.write(out))))
  }

  #take(bytes: Buffer, reply: Reply): void {
    const text = readSip(bytes)
    const via = headerOf(text, 'via')
    if (text.start.startsWith('SIP/2.0 ')) {
      this.#waiting.get(paramOf(via, 'branch') ?? '')?.(text)
      return
    }
    const method = methodOf(text)
    const key = `${method} ${via}`
    if (this.#answered.has(key)) {
      const same = this.#answered.get(key)
      if (same !== undefined) reply(same)
      return
    }
    const from = headerOf(text, 'from')
    const incoming: Incoming = {
      method,
      from: uriOf(from),
      text,
      body: text.body.toString('utf8'),
      callId: headerOf(text, 'call-id') ?? '',
      atMs: performance.now(),
    }
    const answer = this.#answerTo(incoming)
    const out = answer === undefined ? undefined : respond(text, answer)
    this.#answered.set(key, out)
    if (out !== undefined) reply(out)
  }

  #answerTo(incoming: Incoming): Answer | undefined {
    if (incoming.method === 'MESSAGE') {
      this.heard.push(incoming)
      return this.answer(incoming)
    }
    if (incoming.method === 'NOTIFY') {
      const watch = this.#watches.get(incoming.callId)
      if (watch === undefined) return { status: 481, reason: 'Subscription Does Not Exist' }
      watch.take(incoming)
    }
    return { status: 200, reason: 'OK' }
  }

  hears(body: string, timeoutMs?: number): Promise<Incoming> {
    return this.heard.next(
      `“${body.slice(0, 60)}”`,
      (one) => one.method === 'MESSAGE' && one.body.replaceAll('\r\n', '\n') === body,
      timeoutMs,
    )
  }
}

function respond(request: SipText, answer: Answer): Buffer {
  const headers: Header[] = []
  for (const name of ['via', 'record-route', 'from', 'to', 'call-id', 'cseq']) {
    for (const value of request.headers.get(name) ?? []) {
      headers.push([name, name === 'to' && paramOf(value, 'tag') === undefined ? `${value};tag=user` : value])
    }
  }
  return writeSip(`SIP/2.0 ${answer.status} ${answer.reason}`, headers)
}

/** One state of a watched person, as a NOTIFY told it. */
export interface Notified {
  readonly state: string
  readonly reason: string | undefined
  readonly expiresS: number | undefined
  readonly body: string
  readonly basics: readonly string[]
  readonly show: string | undefined
  readonly activity: string | undefined
  readonly note: string | undefined
}

/** One subscription of a SIP user, as its phone keeps it. */
export class Watch {
  readonly callId = token()
  readonly heard: Heard<Notified>
  readonly #user: SipUser
  readonly #presentity: string
  readonly #contact: string
  readonly #fromTag = token()
  #remote: { readonly tag: string; readonly target: string; readonly route: readonly string[] } | undefined
  #cseq = 0
  #lastNotifyCseq = 0

  constructor(user: SipUser, presentity: string, contact: string) {
    this.#user = user
    this.#presentity = presentity
    this.#contact = contact
    this.heard = new Heard(`${user.aor} watching ${presentity}`)
  }

  /** The first time opens the subscription, later times refresh it; 0 ends it. */
  async subscribe(expiresS: number): Promise<SipText> {
    const remote = this.#remote
    const headers: Header[] = [
      ['Event', 'presence'],
      ['Accept', 'application/pidf+xml'],
      ['Contact', `<${this.#contact}>`],
      ['Expires', String(expiresS)],
      ...(remote?.route ?? []).map((hop): Header => ['Route', hop]),
    ]
    const answer = await this.#user.request('SUBSCRIBE', remote?.target ?? this.#presentity, {
      to: this.#presentity,
      toTag: remote?.tag,
      fromTag: this.#fromTag,
      callId: this.callId,
      cseq: (this.#cseq += 1),
      headers,
    })
    const status = statusOf(answer)
    if (status >= 300) throw new Refused(`SUBSCRIBE ${this.#presentity}: ${answer.start}`, status)
    this.#remote ??= {
      tag: paramOf(headerOf(answer, 'to'), 'tag') ?? '',
      target: uriOf(headerOf(answer, 'contact')),
      route: (answer.headers.get('record-route') ?? []).flatMap((value) => value.split(/,\s*(?=<)/)).toReversed(),
    }
    return answer
  }

  take(notify: Incoming): void {
    const state = headerOf(notify.text, 'subscription-state') ?? ''
    const cseq = Number((headerOf(notify.text, 'cseq') ?? '0').split(' ')[0])
    if (cseq <= this.#lastNotifyCseq) throw new Error(`NOTIFY went back from ${this.#lastNotifyCseq} to ${cseq}`)
    this.#lastNotifyCseq = cseq
    const expires = paramOf(state, 'expires')
    this.heard.push({
      state: state.split(';')[0]?.trim() ?? '',
      reason: paramOf(state, 'reason'),
      expiresS: expires === undefined ? undefined : Number(expires),
      body: notify.body,
      basics: [...notify.body.matchAll(/<(?:\w+:)?basic>\s*(open|closed)\s*</g)].map((found) => found[1] ?? ''),
      show: /<show[^>]*>(\w+)</.exec(notify.body)?.[1],
      activity: /<(?:\w+:)?activities[^>]*>(?:\s*<(?:\w+:)?note[^>]*>[^<]*<\/[^>]*>)?\s*<(?:\w+:)?([\w-]+)\s*\/?>/.exec(
        notify.body,
      )?.[1],
      note: /<(?:\w+:)?note[^>]*>([^<]*)</.exec(notify.body)?.[1],
    })
  }

  notified(what: string, wanted: (one: Notified) => boolean, timeoutMs = 12_000): Promise<Notified> {
    return this.heard.next(what, wanted, timeoutMs)
  }
}

export class Refused extends Error {
  readonly status: number

  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}
