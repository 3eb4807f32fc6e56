r"""A simulator of the marketplace's seller API on real sockets: its rules, its limits and, on request, its faults.

It shares no code with the adapter that calls the marketplace, so that an error in one is not repeated in the other.
Facts come from the marketplace's OpenAPI document (2.27.0, with the units and orders part of 2.44.0); where the
document does not specify something, the module's docstring names the behaviour that was chosen.

=============  ========================================================================================  ======
offers/        catalogue of products and units; rules and effects of the endpoints about units           pure
orders/        orders, parcels and returns: state, rules, effects, buyers; control and scenario parts    pure*
push/          subscriptions and their messages; delivery to subscribers                                 pure*
faults/        which calls fail, and how                                                                 pure
exchange       HTTP requests and responses, and the endpoints by name                                    pure
routes         maps method and path to an endpoint; groups of endpoints                                  pure
signature      required headers, clock window, HMAC                                                      pure
window         one seller's rate limit: a sliding second                                                 pure
problems       error responses                                                                           pure
reference      storefronts, currencies, carriers, ceilings, enums                                        pure
recent_first   lists of changing rows, newest first                                                      pure
chance         seeded draws                                                                              pure
call_context   the call that causes a change, and what it changes                                        pure
journal        records and queries calls, changes and notifications; journal_file writes them            pure*
api            one request from arrival to planned response: signature, limit, fault, endpoint           pure
scenario       the TOML file; strict_model is the base of its sections                                   edge
control        the control endpoints ``/_simulator/...``, for tests and manual use                       edge
server         sockets, and sending a response in the manner that a fault asks for                       edge
simulator      a server in a thread of its own; clock reads the machine's clocks                         edge
=============  ========================================================================================  ======

\* except for ``orders/control``, ``orders/scenario``, ``push/delivery`` and ``journal_file``
"""
