import type { DomainName } from '@stox/xmpp'
import type { SendOutcome, StreamFailureInfo, StreamInfo, XmppEndpointOptions } from './xmpp-endpoint-types.ts'

/** Listener, dialer and table of streams: all the edge needs for server-to-server XMPP. */
export declare class XmppEndpoint {
  constructor(options: XmppEndpointOptions)
  /** Rejects with one clear sentence when an address is not free or not ours. */
  listen(): Promise<readonly { readonly address: string; readonly port: number }[]>
  /** Dials when needed. Resolves when the stanza is on an authenticated stream, or with why not; never rejects. */
  send(
    local: DomainName,
    remote: DomainName,
    stanzaXml: string,
    options: { readonly maxWaitMs: number },
  ): Promise<SendOutcome>
  streams(): readonly StreamInfo[]
  failures(): readonly StreamFailureInfo[]
  closeStream(id: string): boolean
  /** After a new replica: ends the streams that the rules no longer allow. */
  policyChanged(): void
  /** Ends every stream politely, then by force; resolves when no socket is left. */
  close(): Promise<void>
}
