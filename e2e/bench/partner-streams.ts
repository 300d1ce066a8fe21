import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, TLSSocket, type SecureContext } from 'node:tls'
import type { KeyPair } from '../src/certificates.ts'
import { attrOf } from '../src/xml-text.ts'

/**
 * Streams of XMPP servers that only carry load: STARTTLS and SASL EXTERNAL spoken from a script, and after that bytes.
 * They share no code with the product, and cost so little that what is measured is the other end.
 */

const XMLNS = "xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams'"
const TLS = 'urn:ietf:params:xml:ns:xmpp-tls'
const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
const HEADER = /<stream:stream[^>]*>/
const FEATURES = /<stream:features\s*\/>|<\/stream:features>/
const ANSWER_WITHIN_MS = 20_000

export const header = (from: string, to: string, more = ''): string =>
  `<?xml version='1.0'?><stream:stream ${XMLNS} from='${from}' to='${to}' version='1.0'${more}>`

export const contextOf = (pair: KeyPair): SecureContext =>
  createSecureContext({ cert: readFileSync(pair.cert), key: readFileSync(pair.key) })

/** A conversation by turns: nobody says more before the other has answered, so nothing behind an answer is kept. */
class Talk {
  readonly #socket: Socket
  #text = ''
  #wanted: RegExp | undefined
  #found: (text: string) => void = () => undefined
  #lost: (why: Error) => void = () => undefined
  readonly #take = (chunk: Buffer): void => {
    this.#text += chunk.toString('latin1')
    this.#look()
  }
  readonly #gone = (): void => this.#lost(new Error(`the stream ended after ${JSON.stringify(this.#text.slice(-300))}`))

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', this.#take).on('close', this.#gone)
  }

  hears(wanted: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const heard = JSON.stringify(this.#text.slice(-300))
        reject(new Error(`waited ${ANSWER_WITHIN_MS} ms for ${wanted}, heard ${heard}`))
      }, ANSWER_WITHIN_MS)
      this.#wanted = wanted
      this.#found = (text) => {
        clearTimeout(timer)
        resolve(text)
      }
      this.#lost = (why) => {
        clearTimeout(timer)
        reject(why)
      }
      this.#look()
    })
  }

  end(): void {
    this.#socket.off('data', this.#take).off('close', this.#gone)
  }

  #look(): void {
    if (this.#wanted?.test(this.#text) === true) {
      const text = this.#text
      this.#text = ''
      this.#wanted = undefined
      this.#found(text)
    } else if (this.#text.includes('<stream:error') || this.#text.includes('<failure')) {
      this.#lost(new Error(`refused: ${this.#text.slice(-300)}`))
    }
  }
}

export interface DialOptions {
  readonly to: { readonly host: string; readonly port: number }
  readonly localAddress: string
  /** Who we are, and whom we call. */
  readonly domain: string
  readonly remote: string
  readonly context: SecureContext
  /** What is below TLS, for who wants to end it without a word. */
  onConnection?(plain: Socket): void
}

/** A stream after STARTTLS, on which nothing is said yet. @see RFC 6120 §5 */
export async function dialSecured(options: DialOptions): Promise<TLSSocket> {
  const { to, localAddress, domain, remote, context } = options
  const plain = connect({ ...to, localAddress, noDelay: true })
  plain.on('error', () => plain.destroy())
  options.onConnection?.(plain)
  const talk = new Talk(plain)
  plain.write(header(domain, remote))
  await talk.hears(FEATURES)
  plain.write(`<starttls xmlns='${TLS}'/>`)
  await talk.hears(/<proceed[^>]*>/)
  talk.end()

  const socket = connectTls({ socket: plain, servername: remote, rejectUnauthorized: false, secureContext: context })
  socket.on('error', () => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** A stream that has proven itself by certificate and may carry stanzas. @see RFC 6120 §6, XEP-0178 §3 */
export async function dialProven(options: DialOptions): Promise<TLSSocket> {
  const { domain, remote } = options
  const socket = await dialSecured(options)
  const talk = new Talk(socket)
  socket.write(header(domain, remote))
  const features = await talk.hears(FEATURES)
  if (!features.includes('EXTERNAL')) throw new Error(`${remote} does not offer EXTERNAL: ${features}`)
  socket.write(`<auth xmlns='${SASL}' mechanism='EXTERNAL'>${Buffer.from(domain).toString('base64')}</auth>`)
  await talk.hears(/<success[^>]*>/)
  socket.write(header(domain, remote))
  await talk.hears(FEATURES)
  talk.end()
  return socket
}

const END = '</message>'
const ERROR = "type='error'"

/** Takes streams for any domain, believes whoever calls, and counts messages by their end tags. */
export class PartnerSink {
  messages = 0
  /** Messages that came back as errors. */
  errors = 0
  /** Is shown all text, and the end of what it was shown before again. */
  onText: ((text: string) => void) | undefined
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(context: SecureContext) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket)).on('error', () => socket.destroy())
      // A caller that gives up is not our affair: what it would have carried is missed by who counts.
      this.#welcome(socket, context).catch(() => socket.destroy())
    })
  }

  async listen(address: string, port: number): Promise<this> {
    this.#server.listen(port, address)
    await once(this.#server, 'listening')
    return this
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #welcome(plain: Socket, secureContext: SecureContext): Promise<void> {
    let talk = new Talk(plain)
    const answer = async (socket: Socket, features: string): Promise<void> => {
      const [theirs = ''] = HEADER.exec(await talk.hears(HEADER)) ?? []
      const ours = header(attrOf(theirs, 'to') ?? '', attrOf(theirs, 'from') ?? '', ` id='${Math.random()}'`)
      socket.write(`${ours}<stream:features>${features}</stream:features>`)
    }
    await answer(plain, `<starttls xmlns='${TLS}'><required/></starttls>`)
    await talk.hears(/<starttls[^>]*>/)
    talk.end()
    plain.write(`<proceed xmlns='${TLS}'/>`)

    const socket = new TLSSocket(plain, { isServer: true, secureContext, requestCert: true, rejectUnauthorized: false })
    socket.on('error', () => socket.destroy())
    talk = new Talk(socket)
    await answer(socket, `<mechanisms xmlns='${SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>`)
    await talk.hears(/<auth[^>]*(?:\/>|>[^<]*<\/auth>)/)
    socket.write(`<success xmlns='${SASL}'/>`)
    await answer(socket, '')
    talk.end()
    this.#count(socket)
  }

  #count(socket: Socket): void {
    let tail = ''
    socket.on('data', (chunk: Buffer) => {
      // Latin-1 is the cheapest text, and what is looked for has none but ASCII letters.
      const text = tail + chunk.toString('latin1')
      this.onText?.(text)
      let from = 0
      for (let end = text.indexOf(END); end >= 0; end = text.indexOf(END, from)) {
        this.messages += 1
        from = end + END.length
      }
      if (text.includes(ERROR)) this.errors += text.split(ERROR).length - 1
      tail = text.slice(Math.max(from, text.length - END.length + 1))
    })
  }
}

/** Writes the same stanzas again and again, as fast as the other end reads. */
export class Firehose {
  sent = 0
  #open = false
  readonly #socket: Socket
  readonly #block: Buffer
  readonly #perBlock: number
  readonly #onDrain = (): void => this.#pour()

  constructor(socket: Socket, stanzas: readonly string[]) {
    this.#socket = socket
    this.#block = Buffer.from(stanzas.join(''))
    this.#perBlock = stanzas.length
    socket.on('drain', this.#onDrain)
    // Nothing that comes back on this stream is for us, but it has to be read.
    socket.resume()
  }

  open(): void {
    this.#open = true
    this.#pour()
  }

  shut(): void {
    this.#open = false
  }

  #pour(): void {
    let hasRoom = true
    while (this.#open && hasRoom) {
      if (this.#socket.destroyed) throw new Error('the stream under load was closed')
      this.sent += this.#perBlock
      hasRoom = this.#socket.write(this.#block)
    }
  }
}
