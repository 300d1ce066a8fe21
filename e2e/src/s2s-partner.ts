import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import type { KeyPair } from './certificates.ts'
import { Heard } from './heard.ts'
import { attrOf, isElement, textOfChild, unescapeXml, XmlCutter } from './xml-text.ts'

const STREAMS = 'http://etherx.jabber.org/streams'
const STARTTLS = 'urn:ietf:params:xml:ns:xmpp-tls'
const DIALBACK = 'urn:xmpp:features:dialback'

export interface S2sPartnerOptions {
  readonly domain: string
  readonly address: string
  readonly port: number
  readonly edge: { readonly host: string; readonly port: number }
  /** None: it knows no TLS, as Google Talk did. */
  readonly tls?: KeyPair
  /** What its stream headers say; undefined is before XMPP 1.0. */
  readonly version: '1.0' | undefined
  /** Takes over the bytes of an accepted stream once it has proven itself: for load, where each stanza would cost too much. */
  readonly takeOver?: (chunk: Buffer, stream: PartnerStream) => void
}

/** A partner's XMPP server, played over a raw socket: says what it likes, also what no server should. */
export class S2sPartner {
  readonly options: S2sPartnerOptions
  /** Every stanza that came, on any stream. */
  readonly heard: Heard<Stanza>
  readonly streams: PartnerStream[] = []
  /** What its authoritative server says about keys; a test may lie here. */
  judgeKey: (key: string, right: boolean) => boolean = (_key, right) => right
  /** What it says about keys, its own verdict or what it has found out; a test may say something else. */
  tamper: (answer: string) => string = (answer) => answer
  readonly #secret = randomBytes(16).toString('hex')
  readonly #server: Server
  #outgoing = new Map<string, Promise<PartnerStream>>()

  constructor(options: S2sPartnerOptions) {
    this.options = options
    this.heard = new Heard(`partner ${options.domain}`, (stanza) => stanza.xml)
    this.#server = createServer((socket) => {
      const stream = new PartnerStream(this, socket, 'accepted')
      this.streams.push(stream)
    })
  }

  async start(): Promise<this> {
    this.#server.listen(this.options.port, this.options.address)
    await once(this.#server, 'listening')
    return this
  }

  async stop(): Promise<void> {
    this.streams.forEach((stream) => stream.destroy())
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  /** Opens a connection to the edge; nothing is said yet. */
  async dial(): Promise<PartnerStream> {
    const { edge, address } = this.options
    const socket = connect({ host: edge.host, port: edge.port, localAddress: address })
    const stream = new PartnerStream(this, socket, 'dialled')
    this.streams.push(stream)
    await once(socket, 'connect')
    return stream
  }

  /** A stream that the edge takes stanzas from, for `local` (our domain) and `remote` (theirs). */
  async dialProven(remote: string, local = this.options.domain): Promise<PartnerStream> {
    const stream = await this.dial()
    await stream.open(remote, local)
    if (this.options.tls !== undefined) await stream.secure(remote, local)
    await stream.prove(remote, local)
    return stream
  }

  /** Sends a stanza over the one outgoing stream of the pair, dialled when needed. */
  async send(remote: string, xml: string): Promise<void> {
    const known = await this.#outgoing.get(remote)?.catch(() => undefined)
    if (known === undefined || known.closed) this.#outgoing.set(remote, this.dialProven(remote))
    const stream = await this.#outgoing.get(remote)
    stream?.write(xml)
  }

  key(receiving: string, originating: string, streamId: string): string {
    return createHmac('sha256', this.#secret).update(`${receiving} ${originating} ${streamId}`).digest('hex')
  }
}

export interface Stanza {
  readonly xml: string
  readonly name: string
  readonly from: string
  readonly to: string
  readonly type: string
  readonly id: string | undefined
  readonly body: string | undefined
}

/** One connection between the partner and the edge, whoever dialled it. */
export class PartnerStream {
  readonly role: 'accepted' | 'dialled'
  /** The pieces as they came: header, first-level elements, end. */
  readonly heard: Heard<string>
  closed = false
  /** Accepts streams, features, dialback by itself; false: the test speaks every word. */
  polite = true
  id = ''
  readonly #partner: S2sPartner
  #socket: Socket
  #cutter = new XmlCutter()

  constructor(partner: S2sPartner, socket: Socket, role: 'accepted' | 'dialled') {
    this.#partner = partner
    this.#socket = socket
    this.role = role
    this.heard = new Heard(`${partner.options.domain} (${role} stream)`, (xml) => xml)
    this.#listen(socket)
  }

  get encrypted(): boolean {
    return this.#socket instanceof TLSSocket
  }

  /** From now on its bytes go there and nowhere else. */
  handOver(take: (chunk: Buffer) => void): Socket {
    this.#socket.removeAllListeners('data')
    this.#socket.on('data', take)
    return this.#socket
  }

  /** False: the other end is behind, and `drained` tells when it no longer is. */
  write(text: string | Buffer): boolean {
    return !this.#socket.destroyed && this.#socket.write(text)
  }

  /** Or closed. */
  async drained(): Promise<void> {
    const socket = this.#socket
    if (socket.destroyed || !socket.writableNeedDrain) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        socket.off('drain', done).off('close', done)
        resolve()
      }
      socket.on('drain', done).on('close', done)
    })
  }

  /** Bytes that were written and that the system has not taken. */
  get waiting(): number {
    return this.#socket.writableLength
  }

  /** Reads nothing any more. */
  deaf(): void {
    this.#socket.pause()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  header(to: string | undefined, from: string | undefined, id?: string): string {
    const { version } = this.#partner.options
    const attrs = [
      ...(from === undefined ? [] : [`from='${from}'`]),
      ...(to === undefined ? [] : [`to='${to}'`]),
      ...(id === undefined ? [] : [`id='${id}'`]),
      ...(version === undefined ? [] : [`version='${version}'`]),
    ]
    return `<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='${STREAMS}' ${attrs.join(' ')}>`
  }

  /** Sends our header and takes theirs, with the features when there are some. */
  async open(to: string, from: string): Promise<void> {
    this.write(this.header(to, from))
    const header = await this.next('a stream header', (xml) => isElement(xml, 'stream:stream'))
    this.id = attrOf(header, 'id') ?? ''
    if (this.#partner.options.version !== undefined)
      await this.next('features', (xml) => isElement(xml, 'stream:features'))
  }

  async secure(to: string, from: string): Promise<void> {
    await this.upgrade(to)
    await this.open(to, from)
  }

  /** STARTTLS and the handshake; who is asked for what is not said yet. */
  async upgrade(to: string): Promise<void> {
    this.write(`<starttls xmlns='${STARTTLS}'/>`)
    await this.next('proceed', (xml) => isElement(xml, 'proceed'))
    await this.#becomeTls(false, to)
  }

  /** What comes next is a stream from its header on: SASL has succeeded. @see RFC 6120 §6.4.6 */
  restart(): void {
    this.#cutter = new XmlCutter()
  }

  /** Dialback as the originating server. @see XEP-0220 §2.1.1 */
  async prove(remote: string, local: string, key = this.#partner.key(remote, local, this.id)): Promise<void> {
    this.write(`<db:result from='${local}' to='${remote}'>${key}</db:result>`)
    const answer = await this.next(
      'the verdict',
      (xml) => isElement(xml, 'db:result') || isElement(xml, 'stream:error'),
    )
    if (attrOf(answer, 'type') !== 'valid') throw new Error(`dialback said ${answer}`)
  }

  next(what: string, wanted: (xml: string) => boolean, timeoutMs?: number): Promise<string> {
    return this.heard.next(what, wanted, timeoutMs)
  }

  /** The condition with which a dialback key is refused: on the key alone, or with the whole stream. */
  async refusedDialback(): Promise<string> {
    const refusal = await this.next('a refusal', (xml) => isElement(xml, 'db:result') || isElement(xml, 'stream:error'))
    return /<([a-z-]+)[^>]*urn:ietf:params:xml:ns:xmpp-(?:stanzas|streams)/.exec(refusal)?.[1] ?? refusal
  }

  /** The stream error that ends it. */
  async ended(timeoutMs = 10_000): Promise<string> {
    const error = await this.next(
      'a stream error',
      (xml) => isElement(xml, 'stream:error') || xml === CLOSED,
      timeoutMs,
    )
    return /<([a-z-]+)[^>]*urn:ietf:params:xml:ns:xmpp-streams/.exec(error)?.[1] ?? error
  }

  #listen(socket: Socket): void {
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => {
      for (const xml of this.#cutter.push(chunk.toString('utf8'))) this.#take(xml)
    })
    socket.once('close', () => {
      if (socket !== this.#socket) return
      this.closed = true
      this.heard.push(CLOSED)
    })
  }

  async #becomeTls(asServer: boolean, serverName: string): Promise<void> {
    const plain = this.#socket
    const { tls, domain } = this.#partner.options
    if (tls === undefined) throw new Error(`${domain} knows no TLS`)
    plain.removeAllListeners('data')
    this.#cutter = new XmlCutter()
    const material = { cert: readFileSync(tls.cert), key: readFileSync(tls.key) }
    const secured = asServer
      ? new TLSSocket(plain, { isServer: true, ...material })
      : connectTls({ socket: plain, servername: serverName, rejectUnauthorized: false, ...material })
    this.#socket = secured
    this.#listen(secured)
    await once(secured, asServer ? 'secure' : 'secureConnect')
  }

  #take(xml: string): void {
    this.heard.push(xml)
    for (const name of ['message', 'presence', 'iq'])
      if (isElement(xml, name)) this.#partner.heard.push(stanzaIn(xml, name))
    if (!this.polite) return
    if (isElement(xml, 'db:verify')) this.judge(xml)
    if (this.role === 'dialled') return
    if (isElement(xml, 'stream:stream')) this.#welcome(xml)
    if (isElement(xml, 'starttls')) {
      this.write(`<proceed xmlns='${STARTTLS}'/>`)
      void this.#becomeTls(true, '').catch(() => this.destroy())
    }
    if (isElement(xml, 'db:result')) void this.#checkWithEdge(xml)
    if (xml === '</stream:stream>') this.#socket.end('</stream:stream>')
  }

  #welcome(header: string): void {
    const { domain, version, tls } = this.#partner.options
    this.id = randomBytes(8).toString('hex')
    this.write(this.header(attrOf(header, 'from'), domain, this.id))
    if (version === undefined) return
    const offer =
      tls !== undefined && !this.encrypted
        ? `<starttls xmlns='${STARTTLS}'><required/></starttls>`
        : `<dialback xmlns='${DIALBACK}'/>`
    this.write(`<stream:features>${tls === undefined ? '' : offer}</stream:features>`)
  }

  /** The authoritative server's answer. @see XEP-0220 §2.1.2 */
  judge(verify: string): void {
    const to = attrOf(verify, 'to') ?? ''
    const from = attrOf(verify, 'from') ?? ''
    if (attrOf(verify, 'type') !== undefined) return
    const id = attrOf(verify, 'id') ?? ''
    const key = keyIn(verify)
    const valid = this.#partner.judgeKey(key, key === this.#partner.key(from, to, id))
    const verdict = valid ? 'valid' : 'invalid'
    this.write(this.#partner.tamper(`<db:verify from='${to}' to='${from}' id='${id}' type='${verdict}'/>`))
  }

  /** As the receiving server we ask theirs, over a connection of our own. @see XEP-0220 §2.2.1 */
  async #checkWithEdge(result: string): Promise<void> {
    const from = attrOf(result, 'from') ?? ''
    const to = attrOf(result, 'to') ?? ''
    const asking = await this.#partner.dial()
    try {
      await asking.open(from, to)
      if (this.#partner.options.tls !== undefined) await asking.secure(from, to)
      asking.write(`<db:verify from='${to}' to='${from}' id='${this.id}'>${keyIn(result)}</db:verify>`)
      const answer = await asking.next('the verdict on a key', (xml) => isElement(xml, 'db:verify'))
      const { takeOver } = this.#partner.options
      if (takeOver !== undefined) this.handOver((chunk) => takeOver(chunk, this))
      const verdict = attrOf(answer, 'type') ?? 'invalid'
      this.write(this.#partner.tamper(`<db:result from='${to}' to='${from}' type='${verdict}'/>`))
    } catch {
      this.write(`<db:result from='${to}' to='${from}' type='invalid'/>`)
    } finally {
      asking.destroy()
    }
  }
}

export const CLOSED = '(closed)'

const keyIn = (xml: string): string => unescapeXml(/^<db:\w+[^>]*>([^<]*)</.exec(xml)?.[1] ?? '')

const stanzaIn = (xml: string, name: string): Stanza => ({
  xml,
  name,
  from: attrOf(xml, 'from') ?? '',
  to: attrOf(xml, 'to') ?? '',
  type: attrOf(xml, 'type') ?? '',
  id: attrOf(xml, 'id'),
  body: textOfChild(xml, 'body'),
})
