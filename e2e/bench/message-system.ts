import type { Pids } from './measure.ts'
import type { Path } from './run.ts'

export interface MessageOptions {
  readonly transport: 'udp' | 'tcp'
  /** Messages under way in the closed loop. */
  readonly window: number
  /** One direction: xmppToSip or sipToXmpp. */
  readonly way: string | undefined
  /** Messages a second of the open loop; undefined: half of what the closed loop reached. */
  readonly rate: number | undefined
}

/** What is between the generators, and the ways through it. */
export interface System {
  readonly name: 'messages' | 'kamailioProsody'
  readonly pids: Pids
  readonly paths: readonly Path[]
}
