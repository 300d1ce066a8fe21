import type { FederationModel } from '@stox/federation'
import type { Replica } from '@stox/link'

/** What the edge is told; its secret travels by itself. */
export function replicaOf(model: FederationModel): Replica {
  const { dialbackPassphrase } = model.settings
  // Keys made from an empty secret could be made by anybody; seeding and the API always leave one.
  if (dialbackPassphrase === null) throw new Error('the federation model has no dialback passphrase')
  return {
    model: { ...model, settings: { ...model.settings, dialbackPassphrase: null } },
    dialbackSecret: dialbackPassphrase,
  }
}
