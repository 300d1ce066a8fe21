import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { TLSSocket, connect as connectTls } from 'node:tls'
import type { Certificate } from '@stox/testkit'

/** What a partner's server can do, and offers. */
export interface Capabilities {
  readonly tls: boolean
  readonly sasl: boolean
  readonly dialback: boolean
}

/** What it found out on a stream: the method that was used, or the refusal it got. */
export type Ending = { readonly used: string } | { readonly refused: string }

const TLS = 'urn:ietf:params:xml:ns:xmpp-tls'
const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
const STARTTLS = `<starttls xmlns='${TLS}'/>`
const EXTERNAL = `<auth xmlns='${SASL}' mechanism='EXTERNAL'>=</auth>`
const END = '</stream:stream>'
const header = (from: string, to: string, id = ''): string =>
  `<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'` +
  ` xmlns:db='jabber:server:dialback' from='${from}' to='${to}'${id} version='1.0'>`

const attribute = (tag: string, name: string): string => new RegExp(`\\s${name}=['"]([^'"]*)`).exec(tag)?.[1] ?? ''
/** What is in a stream error, in the error of a key, or in a failure of SASL. */
const conditionIn = (xml: string): string => /<(?:stream:error|error|failure)[^>]*><([a-z-]+)/.exec(xml)?.[1] ?? xml

/** One connection, read as its header and then one first-level element after the other. */
class Wire {
  socket: Socket
  #text = ''
  #ended = false
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    this.#listen(socket)
  }

  get encrypted(): boolean {
    return this.socket instanceof TLSSocket
  }

  say(text: string): void {
    if (!this.#ended) this.socket.write(text)
  }

  /** The next piece; what is empty is the end. */
  async next(): Promise<string> {
    for (;;) {
      const opening = /^\s*(?:<\?[^>]*>)?\s*<\/?([\w:]+)[^>]*?(\/?)>/.exec(this.#text)
      if (opening !== null) {
        const [tag, name = '', isEmpty] = opening
        const isWhole = name === 'stream:stream' || isEmpty === '/'
        const close = isWhole ? tag.length : this.#text.indexOf(`</${name}>`)
        if (close >= 0) {
          const end = isWhole ? close : close + name.length + 3
          const piece = this.#text.slice(0, end).trimStart()
          this.#text = this.#text.slice(end)
          return piece
        }
      }
      if (this.#ended) return ''
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async become(secured: TLSSocket, event: 'secure' | 'secureConnect'): Promise<void> {
    this.socket.removeAllListeners('data')
    this.socket = secured
    this.#text = ''
    this.#listen(secured)
    await once(secured, event)
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString()
      this.#wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#ended = this.socket === socket
      this.#wake()
    })
  }
}

/**
 * A partner's server by script: a port for STARTTLS and one for direct TLS, a domain of its own for each set of capabilities. What it offers it does, what
 * it does not offer it refuses; keys it never refuses, for the ways to say no to a key are tried elsewhere.
 */
export class MatrixPartner {
  readonly #certificate: Certificate
  readonly #capabilitiesOf: (domain: string) => Capabilities
  readonly #server: Server
  readonly #directServer: Server
  readonly #sockets = new Set<Socket>()
  /** By domain: how the stanzas came that were sent to it. */
  readonly heard = new Map<string, string[]>()
  /** The domains for which somebody came with direct TLS. */
  readonly wantedDirectly = new Set<string>()
  port = 0
  directPort = 0

  constructor(certificate: Certificate, capabilitiesOf: (domain: string) => Capabilities) {
    this.#certificate = certificate
    this.#capabilitiesOf = capabilitiesOf
    this.#server = createServer((socket) => void this.#serve(this.#wire(socket)))
    this.#directServer = createServer((socket) => void this.#serveDirectly(this.#wire(socket)))
  }

  async listen(): Promise<this> {
    this.port = await listening(this.#server)
    this.directPort = await listening(this.#directServer)
    return this
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    for (const server of [this.#server, this.#directServer]) await new Promise((resolve) => server.close(resolve))
  }

  #wire(socket: Socket): Wire {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.setNoDelay(true)
    return new Wire(socket)
  }

  /** @see XEP-0368 */
  async #serveDirectly(wire: Wire): Promise<void> {
    const SNICallback = (name: string, done: (error: null) => void): void => {
      this.wantedDirectly.add(name)
      done(null)
    }
    const options = { isServer: true, ALPNProtocols: ['xmpp-server'], SNICallback, ...this.#certificate }
    await wire.become(new TLSSocket(wire.socket, options), 'secure')
    await this.#serve(wire)
  }

  /** Somebody dials us. */
  async #serve(wire: Wire): Promise<void> {
    let domain = ''
    let can: Capabilities = { tls: false, sasl: false, dialback: false }
    let method = 'nothing'
    for (let piece = await wire.next(); piece !== '' && piece !== END; piece = await wire.next()) {
      const name = /<([\w:]+)/.exec(piece.replace(/^<\?[^>]*>/, ''))?.[1]
      const from = attribute(piece, 'from')
      if (name === 'stream:stream') {
        domain = attribute(piece, 'to')
        can = this.#capabilitiesOf(domain)
        wire.say(header(domain, from, ` id='matrix'`) + featuresOf(can, wire.encrypted, method !== 'nothing'))
      } else if (name === 'starttls' && can.tls && !wire.encrypted) {
        wire.say(`<proceed xmlns='${TLS}'/>`)
        await wire.become(new TLSSocket(wire.socket, { isServer: true, ...this.#certificate }), 'secure')
      } else if (name === 'auth' && can.sasl) {
        method = wire.encrypted ? 'sasl-external' : 'sasl-external in the clear'
        wire.say(`<success xmlns='${SASL}'/>`)
      } else if (name === 'db:result' && can.dialback) {
        method = wire.encrypted ? 'dialback-over-tls' : 'dialback-over-tcp'
        wire.say(`<db:result from='${domain}' to='${from}' type='valid'/>`)
      } else if (name === 'db:verify' && can.dialback) {
        wire.say(`<db:verify from='${domain}' to='${from}' id='${attribute(piece, 'id')}' type='valid'/>`)
      } else if (name === 'message') {
        this.heard.set(domain, [...(this.heard.get(domain) ?? []), method])
      } else {
        const answer =
          name === 'starttls'
            ? `<failure xmlns='${TLS}'/>`
            : `<stream:error><unsupported-stanza-type xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`
        wire.say(answer + END)
        break
      }
    }
    wire.socket.end(END)
  }

  /**
   * Dials: the best that is offered and that we can; where that is nothing, what we can without an offer. The source
   * address is a new one each time, so that nobody's limits are met.
   */
  async dial(
    at: { port: number; from: string; directly: boolean },
    domain: string,
    local: string,
    insist?: string,
  ): Promise<Ending> {
    const can = this.#capabilitiesOf(domain)
    const socket = connect({ host: '127.0.0.1', port: at.port, localAddress: at.from })
    const wire = this.#wire(socket)
    try {
      await once(socket, 'connect')
      if (at.directly) await this.#secure(wire, { servername: local, ALPNProtocols: ['xmpp-server'] })
      return await this.#negotiate(wire, can, domain, local, insist)
    } finally {
      wire.socket.end()
    }
  }

  async #secure(wire: Wire, more: { servername?: string; ALPNProtocols?: string[] } = {}): Promise<void> {
    const secured = connectTls({ socket: wire.socket, rejectUnauthorized: false, ...more, ...this.#certificate })
    await wire.become(secured, 'secureConnect')
  }

  async #negotiate(
    wire: Wire,
    can: Capabilities,
    domain: string,
    local: string,
    insist: string | undefined,
  ): Promise<Ending> {
    const open = async (): Promise<string> => {
      wire.say(header(domain, local))
      await wire.next()
      return wire.next()
    }
    const stanza = `<message from='a@${domain}' to='b@${local}'><body>${insist ?? ''}</body></message>`
    let features = await open()
    const wantsTls = insist === undefined ? can.tls && features.includes('<starttls') : insist !== 'dialback-over-tcp'
    if (wantsTls && !wire.encrypted) {
      wire.say(STARTTLS)
      const answer = await wire.next()
      if (!answer.startsWith('<proceed')) return { refused: 'starttls failure' }
      await this.#secure(wire)
      features = await open()
    }
    if (features.startsWith('<stream:error')) return { refused: `stream ${conditionIn(features)}` }

    const offersExternal = features.includes('EXTERNAL</mechanism>')
    const offersDialback = features.includes('urn:xmpp:features:dialback')
    const hasOffer = (can.sasl && offersExternal) || (can.dialback && offersDialback)
    const choice = insist ?? choose(can, hasOffer ? offersExternal : can.sasl)
    if (choice === 'sasl-external-over-tls') {
      wire.say(EXTERNAL)
      const answer = await wire.next()
      if (!answer.startsWith('<success')) return { refused: `sasl ${conditionIn(answer)}` }
      await open()
      wire.say(stanza)
      return { used: 'sasl-external' }
    }
    if (choice === 'nothing') {
      wire.say(stanza)
      return { refused: `stream ${conditionIn(await wire.next())}` }
    }
    wire.say(`<db:result from='${domain}' to='${local}'>${'a'.repeat(64)}</db:result>`)
    const answer = await wire.next()
    if (attribute(answer, 'type') !== 'valid') return { refused: `dialback ${conditionIn(answer)}` }
    wire.say(stanza)
    return { used: wire.encrypted ? 'dialback-over-tls' : 'dialback-over-tcp' }
  }
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

const choose = (can: Capabilities, external: boolean): string =>
  can.sasl && external ? 'sasl-external-over-tls' : can.dialback ? 'dialback' : 'nothing'

/** EXTERNAL also on a plain stream, where the partner has no TLS: nobody may take that. */
function featuresOf(can: Capabilities, encrypted: boolean, isProven: boolean): string {
  if (isProven) return '<stream:features/>'
  const startTls = can.tls && !encrypted ? STARTTLS : ''
  const external = `<mechanisms xmlns='${SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>`
  const dialback = can.dialback ? `<dialback xmlns='urn:xmpp:features:dialback'/>` : ''
  return `<stream:features>${startTls}${can.sasl && (encrypted || !can.tls) ? external : ''}${dialback}</stream:features>`
}
