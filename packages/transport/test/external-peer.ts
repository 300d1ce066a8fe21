import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import type { Authority, Certificate } from '@stox/testkit'
import { makeAuthority, makeCertificate } from '@stox/testkit'
import type { TrustStore, XmppEndpointOptions } from '@stox/transport'
import { certificateJudge, systemClock } from '@stox/transport'
import type { TableResolver } from './xmpp-support.ts'
import { RULES, RawPeer, TestServer, header, identityOf, place, trustIn } from './xmpp-support.ts'

const STARTTLS = `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`
const AUTH = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>`

/** Servers whose certificates one authority has signed, so that SASL EXTERNAL is what they use. */
export class Realm {
  readonly #authority: Authority
  readonly #trust: TrustStore
  readonly #closing: (() => Promise<unknown>)[] = []

  private constructor(authority: Authority, trust: TrustStore) {
    this.#authority = authority
    this.#trust = trust
  }

  static async create(): Promise<Realm> {
    const authority = await makeAuthority('the authority')
    return new Realm(authority, await trustIn(authority))
  }

  certificate(name: string): Promise<Certificate> {
    return makeCertificate({ names: [name], issuer: this.#authority })
  }

  async server(
    name: string,
    resolver: TableResolver,
    partner: string,
    options: Partial<XmppEndpointOptions> = {},
  ): Promise<TestServer> {
    const tls = identityOf(name, await this.certificate(name))
    const judgeCertificate = certificateJudge(this.#trust, systemClock)
    const made = await new TestServer(name, resolver, { tls, judgeCertificate, ...options }).listen()
    this.#closing.push(() => made.endpoint.close())
    made.partners.set(partner, RULES.saslOnly)
    place(resolver, name, made.port)
    return made
  }

  /** A scripted peer that has proven with its certificate that it is `from`, and said `before` that; what it heard is forgotten. */
  async peer(from: string, to: TestServer, before = ''): Promise<RawPeer> {
    const plain = await RawPeer.connect(to.port)
    plain.say(header(from, to.domain) + STARTTLS)
    await plain.hears(/<proceed/)
    plain.socket.removeAllListeners('data')
    const socket = connectTls({ socket: plain.socket, rejectUnauthorized: false, ...(await this.certificate(from)) })
    this.#closing.push(() => Promise.resolve(socket.destroy()))
    await once(socket, 'secureConnect')
    const peer = new RawPeer(socket)
    peer.say(header(from, to.domain))
    await peer.hears(/<mechanism>EXTERNAL.*<\/stream:features>/)
    peer.say(before + AUTH)
    await peer.hears(/<success/)
    peer.heard = ''
    peer.say(header(from, to.domain))
    await peer.hears(/<\/stream:features>/)
    return peer
  }

  onClose(close: () => Promise<unknown>): void {
    this.#closing.push(close)
  }

  async close(): Promise<void> {
    await Promise.all(this.#closing.splice(0).map((close) => close()))
  }
}
