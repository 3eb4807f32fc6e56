r"""A simulator of the marketplace's seller API on real sockets: its rules, its limits and, on request, its faults.

A product of its own: it shares no code with the adapter that calls the marketplace, so that each can prove the other
wrong. Facts come from the marketplace's OpenAPI document (2.27.0, with the units and orders part of 2.44.0); where the
document says nothing, the module names the behaviour that was chosen.

=============  ========================================================================================  ======
offers/        catalogue of products and units; rules and effects of the endpoints about units           pure
orders/        orders, parcels and returns: books, rules, effects, buyers; control and scenario parts    pure*
push/          subscriptions and their messages; delivery to subscribers                                 pure*
faults/        which calls fail, and how                                                                 pure
exchange       HTTP requests and responses, and the endpoints by name                                    pure
routes         from method and path to an endpoint; groups of endpoints                                  pure
signature      required headers, clock window, HMAC                                                      pure
window         one seller's rate limit: a sliding second                                                 pure
problems       refusals as response bodies                                                               pure
reference      storefronts, currencies, carriers, ceilings, enums                                        pure
recent_first   live lists, newest first                                                                  pure
chance         seeded draws                                                                              pure
call_context   the call that causes a change, and what it changes                                        pure
journal        every call, change and notification, and questions about them; journal_file writes them   pure*
api            one request from arrival to planned response: signature, limit, fault, endpoint           pure
scenario       the TOML file; strict_model is the base of its sections                                   edge
control        ``/_simulator/...``, for tests and for people                                             edge
server         sockets, and sending a response in the manner that a fault asks for                       edge
simulator      a server in a thread of its own; clock reads the machine's clocks                         edge
=============  ========================================================================================  ======

\* except for ``orders/control``, ``orders/scenario``, ``push/delivery`` and ``journal_file``
"""
