import type { SipRequest } from '@stox/sip'
import type {
  SipAddress,
  SipCounts,
  SipEndpointOptions,
  SipReply,
  SipRequestOptions,
  SipTarget,
  SipTransport,
} from './sip-endpoint-types.ts'

/** The SIP side of the gateway: sockets, connections, transactions. */
export declare class SipEndpoint {
  constructor(options: SipEndpointOptions)
  /** Rejects with one clear sentence when a port is in use. */
  listen(): Promise<readonly ({ readonly transport: SipTransport } & SipAddress)[]>
  /** What to write into Contact: the advertised host and the port we listen on. Undefined when we do not speak it. */
  contact(transport: SipTransport): SipAddress | undefined
  /** A non-INVITE client transaction; adds Via. Never rejects. */
  request(request: SipRequest, target: SipTarget, options?: SipRequestOptions): Promise<SipReply>
  counts(): SipCounts
  /** Ends every transaction, timer, connection and socket; requests that wait end with `transport`. */
  close(): Promise<void>
}
