/** As configured by default, and a little more: so that the daemon's process knows this timer from all others. */
export const pollSeconds = 5.003
