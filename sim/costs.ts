import addressPrices from './data/address-prices.json' with { type: 'json' }

interface Economy {
  economy: { coinUsd: number; capitalPerYear: number; machineUsdPerMonth: number }
  protocol: { minStakeCoins: number }
}

interface PricedPlan {
  ips?: number | undefined
  prefixes24: number
  price: keyof typeof addressPrices.prices
}

const weeksPerMonth = 365.25 / 12 / 7
const weeksPerYear = 365.25 / 7

/** Addresses, machines, and what the money in the stakes would have earned elsewhere; US dollars a week. */
export const weeklyCost = (
  { economy, protocol }: Economy,
  plan: PricedPlan,
  nodes: number,
  machines: number,
): number => {
  const { usdPerMonth, usdPerSubnetMonth } = addressPrices.prices[plan.price]
  const ips = Math.min(nodes, plan.ips ?? nodes)
  const addresses = ips * usdPerMonth + Math.min(ips, plan.prefixes24) * usdPerSubnetMonth
  const stakes = nodes * protocol.minStakeCoins * economy.coinUsd * economy.capitalPerYear
  return (addresses + machines * economy.machineUsdPerMonth) / weeksPerMonth + stakes / weeksPerYear
}
