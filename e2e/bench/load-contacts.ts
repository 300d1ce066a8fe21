import type { Socket } from 'node:net'
import type { KeyPair } from '../src/certificates.ts'
import { S2sPartner } from '../src/s2s-partner.ts'
import { attrOf, isElement, XmlCutter } from '../src/xml-text.ts'
import { nobody, seqIn, type LoadEnd, type LoadListener } from './load-end.ts'

export interface ContactsOptions {
  readonly domain: string
  readonly address: string
  readonly port: number
  readonly tls: KeyPair
  readonly edge: { readonly host: string; readonly port: number }
  readonly remote: string
}

/** Each watcher has so many contacts: fewer than what one may have at most. */
export const CONTACTS = 100

/**
 * A partner's users whom SIP users watch: everybody who asks may, and is told at once who is there. Subscription `n` is
 * that of `peopleOf(n)`; the note of a presence says which one it is for.
 */
export class XmppContacts implements LoadEnd {
  listener: LoadListener = nobody
  /** Smaller numbers are a subscription's own, said to who asks; from here on they are changes. */
  changesFrom = Number.POSITIVE_INFINITY
  /** The subscriptions whose contacts change. */
  watched: readonly number[] = []
  /** One of ours may watch whom he has asked. */
  letIn: () => void = () => undefined
  readonly #options: ContactsOptions
  readonly #partner: S2sPartner
  readonly #cutter = new XmlCutter()
  #socket: Socket | undefined
  #noted: string[] = []

  constructor(options: ContactsOptions) {
    this.#options = options
    const { domain, address, port, edge, tls } = options
    this.#partner = new S2sPartner({
      domain,
      address,
      port,
      edge,
      tls,
      version: '1.0',
      takeOver: (chunk) => this.#take(chunk),
    })
    // The first level of the stream was said before we took over.
    this.#cutter.push('<stream:stream>')
  }

  async start(): Promise<this> {
    await this.#partner.start()
    return this
  }

  async connect(): Promise<void> {
    const stream = await this.#partner.dialProven(this.#options.remote)
    this.#socket = stream.handOver((chunk) => {
      const text = chunk.toString('latin1')
      if (text.includes('</stream:stream>')) throw new Error(`the stream ended: ${text.slice(0, 300)}`)
    })
  }

  /** A change for one of the watched, in turn. */
  send(seq: number): void {
    this.#tell(seq, ...peopleOf(this.subscriptionOf(seq)))
  }

  /** A change that one watcher is told of. */
  tell(seq: number, subscription: number): void {
    this.#tell(seq, ...peopleOf(subscription))
  }

  /** One of ours asks to watch the SIP user of that name. */
  ask(watcher: number, contact: string): void {
    const { domain, remote } = this.#options
    this.#noted.push(
      `<presence from='x${watcher}@${domain}' to='${contact}@${remote}' type='subscribe' id='x${watcher}'/>`,
    )
  }

  /** A message beside all that. */
  write(seq: number, to: string): void {
    const { domain, remote } = this.#options
    this.#noted.push(
      `<message from='x@${domain}/load' to='${to}@${remote}' type='chat' id='m${seq}'><body>m:${seq}:</body></message>`,
    )
  }

  subscriptionOf(seq: number): number {
    return seq < this.changesFrom ? seq : (this.watched[seq % this.watched.length] ?? seq)
  }

  #tell(seq: number, watcher: string, contact: string): void {
    const { domain, remote } = this.#options
    this.#noted.push(
      `<presence from='${contact}@${domain}/load' to='${watcher}@${remote}'><status>m:${seq}:</status></presence>`,
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

  #take(chunk: Buffer): void {
    const { domain, remote } = this.#options
    for (const xml of this.#cutter.push(chunk.toString('latin1'))) {
      if (!isElement(xml, 'presence')) continue
      const type = attrOf(xml, 'type')
      if (type === undefined) {
        const seq = seqIn(xml)
        if (seq >= 0) this.listener.arrived(seq)
      } else if (type === 'subscribed') this.letIn()
      if (type !== 'subscribe' && type !== 'probe') continue
      const [watcher = '', contact = ''] = [attrOf(xml, 'from'), attrOf(xml, 'to')].map((jid) => jid?.split('@')[0])
      if (type === 'subscribe')
        this.#noted.push(`<presence from='${contact}@${domain}' to='${watcher}@${remote}' type='subscribed'/>`)
      this.#tell(numberOf(watcher, contact), watcher, contact)
    }
    this.flush()
  }
}

export const peopleOf = (subscription: number): readonly [watcher: string, contact: string] => [
  `s${Math.floor(subscription / CONTACTS)}`,
  `u${subscription % CONTACTS}`,
]

const numberOf = (watcher: string, contact: string): number =>
  Number(watcher.slice(1)) * CONTACTS + Number(contact.slice(1))
