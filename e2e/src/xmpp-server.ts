import type { KeyPair } from './certificates.ts'

export const PASSWORD = 'throw-away'

/** A real XMPP server, as those see it who log in there. */
export interface XmppServer {
  readonly address: string
  readonly c2sPort: number
  /** The first of the domains that it serves. */
  readonly domain: string
  /** What its users need to trust its certificate; undefined: they speak to it in the clear. */
  readonly clientCa: string | undefined
  start(): Promise<void>
  stop(): Promise<void>
  /** What a power cut would do. */
  kill9(): Promise<void>
  /** The process that serves. */
  pid(): number
  /** Reads its certificates again, while its streams stay up. */
  reload(): Promise<void>
}

/** `dialback`: TLS needed, then dialback will do; `certificates`: TLS with trusted ones on both sides; `no-tls`. */
export type S2sMode = 'dialback' | 'certificates' | 'no-tls'

export interface XmppHost {
  readonly domain: string
  readonly users: readonly string[]
  readonly mode: S2sMode
  readonly tls12Only?: boolean
  /** Left out with `no-tls`. */
  readonly keyPair?: KeyPair
}
