import { fail, ok, type Result } from '@stox/kernel'
import type { FederationModel } from './model.ts'
import { matrixRowOf } from './negotiation-matrix.ts'
import type { Problem } from './problem.ts'

/** What makes a model wrong as a whole although each of its objects is well formed; every problem at once. */
export function checkModel(model: FederationModel): Result<FederationModel, readonly Problem[]> {
  const problems = [...negotiationProblems(model), ...domainProblems(model)]
  return problems.length === 0 ? ok(model) : fail(problems)
}

function negotiationProblems(model: FederationModel): Problem[] {
  return model.partners.flatMap((partner, at) => {
    const { verdict, error, warning, row } = matrixRowOf(partner)
    if (verdict === 'valid') return []
    return [
      {
        path: `partners[${at}].saslNegotiation`,
        problem: `${partner.domain}: ${error ?? warning ?? 'no method of authentication is left'}`,
        hint: `switch dialback on, or SASL together with TLS (row ${row} of the negotiation matrix)`,
      },
    ]
  })
}

/** A domain belongs to exactly one partner, or to us. */
function domainProblems(model: FederationModel): Problem[] {
  const owners = new Map<string, string>()
  const problems: Problem[] = []
  const claim = (path: string, domain: string, owner: string): void => {
    const other = owners.get(domain)
    if (other === undefined) {
      owners.set(domain, owner)
      return
    }
    problems.push({
      path,
      problem: `${domain} is already ${other}`,
      hint: 'a domain belongs to one partner or is served here, and is listed once',
    })
  }
  model.localDomains.forEach(({ domain }, at) => claim(`localDomains[${at}].domain`, domain, 'a local domain'))
  model.partners.forEach(({ domain }, at) => claim(`partners[${at}].domain`, domain, `the partner ${domain}`))
  model.partners.forEach(({ domain, additionalDomains }, at) =>
    additionalDomains.forEach((each, index) =>
      claim(`partners[${at}].additionalDomains[${index}]`, each, `a domain of the partner ${domain}`),
    ),
  )
  return problems
}
