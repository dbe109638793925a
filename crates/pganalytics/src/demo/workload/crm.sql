-- A customer register beside the shop: a second database, and rows as wide as an object mapper likes them.
create table contacts (
    id bigint generated always as identity primary key,
    first_name text not null,
    last_name text not null,
    email text not null,
    phone text,
    company text,
    city text,
    country text,
    stage text not null default 'lead',
    score int not null default 0
);
create table activities (
    id bigint generated always as identity primary key,
    contact_id bigint not null references contacts,
    kind text not null,
    happened_at timestamptz not null default now()
);

insert into contacts (first_name, last_name, email, phone, company, city, country, stage, score)
select 'First' || n, 'Last' || n % 997, 'contact' || n || '@example.com', '+49 30 ' || n, 'Company ' || n % 500,
       (array['Berlin', 'Lyon', 'Austin', 'Recife'])[1 + n % 4], (array['DE', 'FR', 'US', 'BR'])[1 + n % 4],
       (array['lead', 'offer', 'customer'])[1 + n % 3], n % 100
from generate_series(1, 20000) n;
insert into activities (contact_id, kind, happened_at)
select 1 + n % 20000, (array['call', 'mail', 'visit'])[1 + n % 3], now() - n * interval '3 minutes'
from generate_series(1, 50000) n;

create index contacts_company_idx on contacts (company);
create index activities_contact_id_idx on activities (contact_id);

create function log_activity(contact bigint, what text) returns void language plpgsql as $$
begin
    insert into activities (contact_id, kind) values (contact, what);
    update contacts set score = least(score + 1, 100) where id = contact;
    delete from activities
    where id in (select a.id from activities a where a.contact_id = contact order by a.happened_at desc offset 5);
end
$$;

grant select, insert, update, delete on all tables in schema public to crm_app;
