import type { Socket } from 'node:net'
import type { KeyPair } from '../src/certificates.ts'
import { S2sPartner, type PartnerStream } from '../src/s2s-partner.ts'
import { nobody, PEOPLE, seqIn, textOf, type LoadEnd, type LoadListener } from './load-end.ts'

export interface XmppLoadOptions {
  readonly domain: string
  readonly address: string
  readonly port: number
  readonly tls: KeyPair
  /** Where to send: the edge, and the domain behind it. */
  readonly edge: { readonly host: string; readonly port: number }
  readonly remote: string
}

const END = '</message>'
const VERIFY = /<db:verify[^>]*>[^<]*<\/db:verify>/g

/** A partner's whole XMPP server as far as load goes: dialback over TLS by hand, then stanzas cut at their end tags. */
export class XmppLoad implements LoadEnd {
  listener: LoadListener = nobody
  readonly #options: XmppLoadOptions
  readonly #partner: S2sPartner
  #socket: Socket | undefined
  #noted: string[] = []
  #pending = ''

  constructor(options: XmppLoadOptions) {
    this.#options = options
    const { domain, address, port, edge, tls } = options
    this.#partner = new S2sPartner({
      domain,
      address,
      port,
      edge,
      tls,
      version: '1.0',
      takeOver: (chunk, stream) => this.#take(chunk, stream),
    })
  }

  async start(): Promise<this> {
    await this.#partner.start()
    return this
  }

  async connect(): Promise<void> {
    const stream = await this.#partner.dialProven(this.#options.remote)
    this.#socket = stream.handOver((chunk) => this.#takeOutgoing(chunk))
  }

  send(seq: number): void {
    const person = seq % PEOPLE
    const { domain, remote } = this.#options
    this.#noted.push(
      `<message from='u${person}@${domain}/load' to='s${person}@${remote}' type='chat' id='l${seq}'><body>${textOf(seq)}</body></message>`,
    )
  }

  flush(): void {
    if (this.#noted.length === 0) return
    this.#socket?.write(this.#noted.join(''))
    this.#noted = []
  }

  async close(): Promise<void> {
    await this.#partner.stop()
  }

  #take(chunk: Buffer, stream: PartnerStream): void {
    let text = this.#pending + chunk.toString('latin1')
    // Some servers ask about our key on the stream that they have to us.
    if (text.startsWith('<db:')) {
      text = text.replace(VERIFY, (verify) => {
        stream.judge(verify)
        return ''
      })
    }
    let from = 0
    for (;;) {
      const end = text.indexOf(END, from)
      if (end < 0) break
      const stanza = text.slice(from, end)
      const isError = stanza.includes('type="error"') || stanza.includes("type='error'")
      if (isError) this.listener.failed(idIn(stanza), /<error.*$/s.exec(stanza)?.[0].slice(0, 120) ?? 'error')
      else {
        const seq = seqIn(stanza)
        if (seq >= 0) this.listener.arrived(seq)
      }
      from = end + END.length
    }
    this.#pending = text.slice(from)
  }

  #takeOutgoing(chunk: Buffer): void {
    const text = chunk.toString('latin1')
    if (text.includes('stream:error') || text.includes('</stream:stream>'))
      throw new Error(`the stream ended: ${text.slice(0, 300)}`)
  }
}

const idIn = (stanza: string): number => Number(/\bid=["']l(\d+)["']/.exec(stanza)?.[1] ?? -1)
