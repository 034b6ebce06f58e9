/**
 * How errors travel: zend (and zcashd) answer HTTP 500, 404 or 400 with `{result: null, error, id}`; zebrad answers
 * HTTP 200, in the version of JSON-RPC that the request names. Whom they do not let in zend answers with HTTP 401;
 * zebrad closes the connection.
 */
export type RpcDialect = 'zend' | 'zebrad'
