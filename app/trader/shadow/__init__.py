"""The same strategy without an order sent: a paper account on live quotes, compared with the live one."""
