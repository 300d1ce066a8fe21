import type { FederationModel } from '@stox/federation'

/** What the edge must know of the federation model, so that it can decide alone. `model.revision` is the replica's revision. */
export interface Replica {
  readonly model: FederationModel
  /** The secret that dialback keys are made of; the same on every edge. @see XEP-0185 */
  readonly dialbackSecret: string
}
