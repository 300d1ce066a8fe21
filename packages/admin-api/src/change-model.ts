import { checkModel, type FederationModel, type Problem } from '@stox/federation'
import type { ModelChange } from '@stox/store'
import type { AdminDeps } from './ports.ts'
import { ApiProblem } from './problem.ts'

export interface ChangeOptions {
  readonly who: string
  readonly dryRun: boolean
}

/** As every request that changes something says it. */
export const optionsOf = (request: {
  readonly who: string
  readonly query: { readonly dryRun: 'true' | 'false' }
}): ChangeOptions => ({ who: request.who, dryRun: request.query.dryRun === 'true' })

/**
 * The one way into the model: checked as a whole, stored with its audit row, announced.
 * Gives the model as it is afterwards, or as it would be.
 */
export async function changeModel(
  deps: AdminDeps,
  change: ModelChange,
  options: ChangeOptions,
): Promise<FederationModel> {
  const model = await deps.store.model.read()
  const next = applied(model, change)
  const checked = checkModel(next)
  if (!checked.ok)
    throw new ApiProblem(422, 'the federation model does not allow this', inTermsOf(change, next, checked.failure))
  if (options.dryRun) return next

  const by = { who: options.who, atMs: deps.clock.wallMs(), expectedModel: model.revision }
  const committed = await deps.store.model.commit([change], by)
  if (!committed.ok)
    throw new ApiProblem(
      412,
      'the model was changed by somebody else at the same time: read again and repeat the change',
    )
  if (committed.value.revision !== model.revision) await announce(deps, committed.value)
  return committed.value
}

/** The change is made: whatever goes wrong in telling others of it is not the writer's failure. */
async function announce(deps: AdminDeps, model: FederationModel): Promise<void> {
  try {
    await deps.ports.onModelChanged(model)
  } catch (error) {
    deps.log.error('model-announcement-failed', {
      revision: model.revision,
      detail: error instanceof Error ? error.message : String(error),
    })
  }
}

function applied(model: FederationModel, change: ModelChange): FederationModel {
  const revision = model.revision + 1
  switch (change.kind) {
    case 'xmpp-partner':
      return { ...model, revision, partners: withOne(model.partners, change.key, change.value) }
    case 'local-domain':
      return { ...model, revision, localDomains: withOne(model.localDomains, change.key, change.value) }
    case 'settings':
      return { ...model, revision, settings: change.value ?? model.settings }
  }
}

/** In the place of the one before it, else at the end, so that a clash is told of what is new. */
function withOne<T extends { readonly domain: string }>(all: readonly T[], key: string, value: T | null): readonly T[] {
  const others = all.filter((each) => each.domain !== key)
  return value === null ? others : [...others, value]
}

/** Problems of the object itself are told with paths inside it, as its writer knows them. */
function inTermsOf(change: ModelChange, next: FederationModel, problems: readonly Problem[]): readonly Problem[] {
  const list = change.kind === 'xmpp-partner' ? 'partners' : 'localDomains'
  const prefix = `${list}[${next[list].length - 1}].`
  return problems.map((each) =>
    each.path.startsWith(prefix) ? { ...each, path: each.path.slice(prefix.length) } : each,
  )
}
