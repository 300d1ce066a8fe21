import type { Clock, Log } from '@stox/kernel'
import type { FederationModel } from '@stox/federation'
import type { Store } from '@stox/store'

/** One live or failed stream, as an edge tells it. */
export interface SessionRow {
  readonly id: string
  readonly edge: string
  readonly direction: 'inbound' | 'outbound'
  readonly localDomain: string
  readonly remoteDomain: string
  readonly state: 'negotiating' | 'established' | 'failed'
  readonly method: string | null
  readonly tls: string | null
  readonly remoteAddress: string | null
  readonly sinceMs: number
  readonly stanzasIn: number
  readonly stanzasOut: number
  /** Why it failed. */
  readonly reason: string | null
}

/** What the API needs of the gateway; small, so that tests need no gateway. */
export interface AdminPorts {
  sessions(): Promise<readonly SessionRow[]>
  /** False: no such session. */
  closeSession(id: string): Promise<boolean>
  refreshSubscription(id: string): Promise<boolean>
  deleteSubscription(id: string): Promise<boolean>
  /** After a change was stored: publish it. */
  onModelChanged(model: FederationModel): void
  ready():
    | Readonly<Record<string, { readonly ok: boolean; readonly detail: string }>>
    | Promise<Readonly<Record<string, { readonly ok: boolean; readonly detail: string }>>>
  metrics: { text(): Promise<string>; readonly contentType: string }
}

export interface AdminApi {
  readonly address: string
  readonly port: number
  close(): Promise<void>
}
export declare function startAdminApi(options: {
  readonly listen: string
  readonly store: Store
  readonly ports: AdminPorts
  readonly clock: Clock
  readonly log: Log
}): Promise<AdminApi>
/** Makes an administrator token when there is no token at all; gives it in clear that one time, else undefined. */
export declare function ensureFirstToken(store: Store, clock: Clock): Promise<string | undefined>
