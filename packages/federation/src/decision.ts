/** The rules, in the order in which they are asked; the first that does not pass decides. */
export type RuleName =
  | 'federation-switch'
  | 'xmpp-switch'
  | 'local-domain'
  | 'one-side-only'
  | 'partner-listed'
  | 'partner-enabled'
  | 'negotiation'
  | 'feature'
  | 'partner-type'

export interface RuleAsked {
  readonly rule: RuleName
  readonly passed: boolean
  readonly detail: string
}

/** A verdict that explains itself. `rule` is the one that decided: the refusing one, or the last one asked. */
export interface Decision {
  readonly allowed: boolean
  readonly rule: RuleName
  readonly reason: string
  readonly trail: readonly RuleAsked[]
}
