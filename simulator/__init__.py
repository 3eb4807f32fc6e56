"""A stand-in for the marketplace's seller API, on real sockets: the rules, the limits and, when asked, the faults.

A product of its own. It shares no code with the adapter that talks to the marketplace, so that each can prove the
other wrong. Facts are taken from the marketplace's OpenAPI document (2.27.0 with the units and orders part of 2.44.0);
where the document is silent, the module says which behaviour was chosen.

================  ====================================================================================  ======
reference         storefronts, currencies, carriers, ceilings, enums                                    pure
chance            seeded draws                                                                          pure
catalogue         products and units, their indexes, the generator                                      pure
buyers            made-up buyers, recognisable wherever their data come to                              pure
ranking           live lists, the newest first                                                          pure
orders            order units, their statuses, the book of orders                                       pure
returns           returns of order units                                                                pure
subscriptions     who is pushed what, and when again                                                    pure
signature         who calls: required headers, clock window, HMAC                                       pure
window            one seller's sliding second                                                           pure
problems          refusals as bodies                                                                    pure
rules             what each endpoint about units demands of its query and body                          pure
order_rules       the same for orders, parcels and returns                                              pure
order_bodies      orders and returns as answers show them                                               pure
market            what each endpoint does to the catalogue                                              pure
fulfilment        what each endpoint does to orders                                                     pure
trade             what buyers do by themselves                                                          pure
faults            what is to go wrong, and for which call                                               pure
journal           every call, every change and every notification, and questions about them             pure
context          under which call something is done, and what it leaves behind                         pure
exchange          a request and an answer, between the sockets and the rules                            pure
routes            from method and path to the kind of a call                                            pure
api               one request from arrival to plan: signature, window, fault, endpoint                  pure
order_api         requests about orders, parcels and returns, understood                                pure
subscription_api  requests about subscriptions, understood and done                                     pure
scenario          the TOML file; section and order_scenario are its parts                               edge
control           ``/_simulator/...``, for tests and for people; order_control its part about orders    edge
clock             this machine's clocks                                                                 edge
push              calls to subscribers                                                                  edge
server            sockets, and delivering an answer in the manner a fault asks for                      edge
simulator         a server in a thread of its own                                                       edge
================  ====================================================================================  ======
"""
