import type { StreamCondition } from '@stox/xmpp'
import type { Proof } from './proven-peer.ts'

export type Need = 'required' | 'optional' | 'notSupported'

/** What the federation model says about streams between one of our domains and one of a partner's. */
export interface StreamRules {
  readonly tls: Need
  /** In order of preference: the partner's row of the negotiation matrix. */
  readonly methods: readonly Proof[]
  readonly maxStanzaBytes: number
}

export type Judgement =
  | { readonly allowed: true; readonly rules: StreamRules }
  /** The peer hears the condition and nothing that tells which domains are listed; the log hears the reason. */
  | { readonly allowed: false; readonly condition: StreamCondition; readonly reason: string }
